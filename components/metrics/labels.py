"""Figures of the classes that the extractor recognises in the samples."""

from __future__ import annotations

import numpy as np

from components.metrics.errors import jackknife, share
from components.metrics.evidence import Evidence, Score, group_slices


def label_accuracy(evidence: Evidence) -> Score | None:
    """Score the share of samples recognised as the class asked for.

    Returns:
      The share; None if no class was asked for, or the extractor does not know the data's classes.
    """
    samples = evidence.samples
    if not (samples.labelled and evidence.knows_classes):
        return None
    return share(samples.predicted == samples.labels)


def class_balance(evidence: Evidence) -> Score | None:
    """Score the rarest class: its recognised share over its expected share (0 = missing).

    Expected are the shares asked for, or those of the held-out data where nothing is asked.

    Returns:
      The smallest ratio over classes with its binomial error; None without annotated data, or if
      the extractor does not know their classes.
    """
    if not evidence.knows_classes:
        return None
    asked = evidence.samples if evidence.samples.labelled else evidence.reference
    if not asked.labelled:
        return None
    classes = evidence.samples.probabilities.shape[1]
    expected = np.bincount(asked.labels, minlength=classes) / len(asked)
    seen = np.bincount(evidence.samples.predicted, minlength=classes) / len(evidence.samples)
    wanted = np.flatnonzero(expected)
    rarest = wanted[np.argmin(seen[wanted] / expected[wanted])]
    of_class = share(evidence.samples.predicted == rarest)
    scale = float(expected[rarest])
    return Score(of_class.value / scale, of_class.error / scale)


def inception_score(evidence: Evidence) -> Score:
    """Score exp(mean KL(p(class | image) || p(class))) (Salimans et al., 2016), 1 to K."""
    p = np.asarray(evidence.samples.probabilities, np.float64)
    kept = np.ones(len(p), bool)
    left_out = []
    for part in group_slices(len(p)):
        kept[part] = False
        left_out.append(_score(p[kept]))
        kept[part] = True
    return Score(_score(p), jackknife(left_out))


def _score(p: np.ndarray) -> float:
    logs = np.log(np.maximum(p, 1e-16)) - np.log(np.maximum(p.mean(axis=0), 1e-16))
    return float(np.exp((p * logs).sum(axis=1).mean()))
