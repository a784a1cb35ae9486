"""Figures of generated numbers: each class's distribution beside that of held-out numbers.

Every figure is that of the worst class, in units of the held-out data's standard deviation, so that
classes of very different size count alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import stats

from components import metrics
from components.metrics.errors import over_rows
from components.metrics.evidence import Score


@dataclasses.dataclass(frozen=True)
class ValueEvidence:
    """All that a metric of numbers may use.

    Attributes:
      samples: float64[N], the model's numbers.
      labels: int64[N], the class each was asked for; zeros where there are no classes.
      reference: float64[M], held-out numbers.
      reference_labels: int64[M], their classes; zeros where there are none.
    """

    samples: np.ndarray
    labels: np.ndarray
    reference: np.ndarray
    reference_labels: np.ndarray

    def classes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return samples and held-out numbers of each class, in the order of the classes."""
        return [
            (self.samples[self.labels == label], self.reference[self.reference_labels == label])
            for label in np.unique(self.reference_labels)
        ]


def score_values(evidence: ValueEvidence) -> dict[str, Score]:
    """Compute every metric of numbers by name, in the order of the table."""
    return {name: metrics.get(name)(evidence) for name in metrics.of_task("value")}


def mean_error(evidence: ValueEvidence) -> Score:
    """Score |mean of samples - mean of data| / standard deviation of data."""
    return _worst(evidence, lambda x, real: abs(x.mean() - real.mean()) / real.std())


def deviation_error(evidence: ValueEvidence) -> Score:
    """Score |standard deviation of samples / standard deviation of data - 1|."""
    return _worst(evidence, lambda x, real: abs(x.std() / real.std() - 1))


def wasserstein(evidence: ValueEvidence) -> Score:
    """Score the 1-Wasserstein distance / standard deviation of data (Villani, 2003)."""
    return _worst(evidence, lambda x, real: stats.wasserstein_distance(x, real) / real.std())


def kolmogorov_smirnov(evidence: ValueEvidence) -> Score:
    """Score the two-sample Kolmogorov-Smirnov statistic, 0 to 1 (Smirnov, 1939)."""
    return _worst(evidence, lambda x, real: stats.ks_2samp(x, real, method="asymp").statistic)


def _worst(evidence: ValueEvidence, figure: Callable[[np.ndarray, np.ndarray], float]) -> Score:
    """Return the largest figure of any class, with that class's error over fresh samples."""

    def of_class(samples: np.ndarray, real: np.ndarray) -> Score:
        return over_rows(lambda rows: float(figure(samples[rows], real)), len(samples))

    scores = [of_class(*numbers) for numbers in evidence.classes()]
    return max(scores, key=lambda score: score.value)
