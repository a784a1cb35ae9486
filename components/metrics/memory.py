"""Memorisation: are the samples new images, or the training images again?"""

from __future__ import annotations

import numpy as np

from components.metrics.errors import jackknife, share
from components.metrics.evidence import Evidence, Score, group_slices
from trainer.errors import UserError

COPY_QUANTILE = 0.01
"""A sample counts as copied if it is nearer to training data than all but this much held-out."""


def nearest_train_distance(evidence: Evidence) -> Score:
    """Score the median distance from a sample to its nearest training image, 1 = held-out data.

    Held-out data are the yardstick: new images of the same kind lie at a ratio near 1, copies at
    0, images unlike the data above 1. Distances are Euclidean in feature space.

    Raises:
      UserError: Most of the held-out data are training images, so there is no yardstick.
    """
    ours = evidence.samples_to_train
    scale = float(np.median(evidence.among_real.to_train))
    if not scale:
        raise UserError(
            "most held-out images are training images too; give splits that share no records"
        )
    left_out = [
        float(np.median(np.delete(ours, np.arange(len(ours))[part])))
        for part in group_slices(len(ours))
    ]
    return Score(float(np.median(ours)) / scale, jackknife(left_out) / scale)


def copied_share(evidence: Evidence) -> Score:
    """Score the share of samples that are nearer to training data than 99 % of held-out data.

    About 0.01 for new images of the same kind; the part of the samples that are copies shows here
    even where the median does not move.
    """
    limit = np.quantile(evidence.among_real.to_train, COPY_QUANTILE)
    return share(evidence.samples_to_train <= limit)


def distinct_share(evidence: Evidence) -> Score:
    """Score the number of different images over the number of samples; exact, no error."""
    digests = evidence.samples.digests
    return Score(len(np.unique(digests)) / len(digests), 0.0)
