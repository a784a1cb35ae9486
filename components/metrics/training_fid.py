"""FID while training: cheap, against training images, to choose a checkpoint, not for a verdict.

The trainer imports nothing from here; a recipe's wiring names this class to it.
"""

from __future__ import annotations

import numpy as np

from components import metrics
from components.metrics import extractors
from components.metrics.frechet import check_count, frechet_distance
from components.metrics.moments import Moments

REAL = 10_000
BATCH = 500


class TrainingFid:
    """Scores sets of samples against the same real images, whose statistics are taken once.

    Held-out images stay unseen: a verdict on them must not depend on what was chosen by them.

    Args:
      extractor: Name or weights file of the feature extractor.
      real: Training images, uint8[N,H,W,C]; `REAL` of them at most are used, evenly spread.

    Raises:
      UserError: No such extractor, too few images, or images of another size than its own.
    """

    def __init__(self, extractor: str, real: np.ndarray) -> None:
        self._extractor = extractors.load(extractor)
        chosen = np.linspace(0, len(real) - 1, min(REAL, len(real))).astype(int)
        self._real = self._moments(real[chosen])

    def __call__(self, samples: np.ndarray) -> dict[str, float]:
        """Score uint8[N,H,W,C]; the name carries extractor, count and what it is measured to."""
        name = metrics.full_name("fid", self._extractor.card.name, len(samples))
        return {f"{name}_train": frechet_distance(self._real, self._moments(samples))}

    def _moments(self, images: np.ndarray) -> Moments:
        check_count(len(images), self._extractor.card.feature_dim)
        batches = (images[at : at + BATCH] for at in range(0, len(images), BATCH))
        return Moments.of(np.concatenate([self._extractor(batch)[0] for batch in batches]))
