"""What metrics look at: features and classes of samples, held-out data and training data."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math

import numpy as np

from components.metrics.moments import Moments
from components.metrics.neighbours import nearest
from trainer.errors import UserError

GROUPS = 20
"""Groups of the jackknife: enough for a steady error, few enough to recompute each figure."""


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """What the extractor said about a set of N images.

    Attributes:
      ids: [N], the seeds of samples (int64) or the ids of stored examples (str).
      labels: int64[N], the class asked for or annotated; -1 where there is none.
      features: float32[N,D].
      probabilities: float32[N,K], the extractor's own class probabilities.
      digests: uint64[N], a hash of each image's pixels.
      groups: Statistics of the features in `GROUPS` disjoint parts; merged they are the whole.
      extractor: Fingerprint of the extractor.
    """

    ids: np.ndarray
    labels: np.ndarray
    features: np.ndarray
    probabilities: np.ndarray
    digests: np.ndarray
    groups: tuple[Moments, ...]
    extractor: str = ""

    @classmethod
    def of(
        cls,
        ids: np.ndarray,
        labels: np.ndarray,
        features: np.ndarray,
        probabilities: np.ndarray,
        digests: np.ndarray,
        extractor: str = "",
    ) -> FeatureSet:
        """Build a set whose groups are taken from its rows."""
        groups = tuple(Moments.of(features[part]) for part in group_slices(len(features)))
        return cls(ids, labels, features, probabilities, digests, groups, extractor)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def predicted(self) -> np.ndarray:
        """int64[N], the extractor's most probable class of each image."""
        return self.probabilities.argmax(axis=1)

    @property
    def labelled(self) -> bool:
        """Whether every image has a class that was asked for or annotated."""
        return bool((self.labels >= 0).all())

    def take(self, rows: np.ndarray | slice) -> FeatureSet:
        """Return the set of some rows, in the order given."""
        return FeatureSet.of(
            self.ids[rows],
            self.labels[rows],
            self.features[rows],
            self.probabilities[rows],
            self.digests[rows],
            self.extractor,
        )


@dataclasses.dataclass(frozen=True)
class Evidence:
    """All that a metric may use: `train` is what the model has learned from, `reference` is not.

    Attributes:
      samples: The model's images.
      reference: Held-out data.
      train: Training data.
      knows_classes: The extractor's classes are those of the data; else what it recognises in a
        sample says nothing about the label that was asked for.

    Raises:
      UserError: The parts were seen by different extractors.
    """

    samples: FeatureSet
    reference: FeatureSet
    train: FeatureSet
    knows_classes: bool = True

    def __post_init__(self) -> None:
        seen_by = {part.extractor[:16] for part in (self.samples, self.reference, self.train)}
        if len(seen_by) > 1:
            raise UserError(
                f"features of the extractors {', '.join(sorted(seen_by))} cannot be compared: "
                "figures of different extractors are never compared; extract all with one"
            )

    @functools.cached_property
    def samples_to_train(self) -> tuple[np.ndarray, np.ndarray]:
        """Distance float64[N] of each sample to the nearest training image, and its index."""
        return _nearest_one(self.samples, self.train)

    @functools.cached_property
    def reference_to_train(self) -> tuple[np.ndarray, np.ndarray]:
        """The same for held-out images: how far new images are from training images."""
        return _nearest_one(self.reference, self.train)


@dataclasses.dataclass(frozen=True)
class Score:
    """A figure and its standard error: one standard deviation over fresh samples of the model.

    The held-out data count as fixed: they are the same for every model that is compared.
    """

    value: float
    error: float

    @property
    def words(self) -> tuple[str, str]:
        """Value and error as text: one digit of the error, the value to the same place."""
        if not (math.isfinite(self.value) and self.error > 0):
            return f"{self.value:.3g}", "0"
        places = max(0, -math.floor(math.log10(self.error)))
        return f"{self.value:.{places}f}", f"{self.error:.{places}f}"

    def __str__(self) -> str:
        return " \N{PLUS-MINUS SIGN} ".join(self.words)


def group_of(position: np.ndarray, count: int) -> np.ndarray:
    """Return the jackknife group of each position among `count` images: int64 in 0..GROUPS-1.

    Groups are runs of neighbours: labels that go round the classes are then balanced in each, as
    they would not be in every 20th image.
    """
    return position * min(GROUPS, count) // count


def group_slices(count: int) -> list[slice]:
    """Return the rows of each group of `group_of`, in order."""
    starts = np.searchsorted(group_of(np.arange(count), count), np.arange(min(GROUPS, count) + 1))
    return [slice(*ends) for ends in itertools.pairwise(starts.tolist())]


def _nearest_one(queries: FeatureSet, pool: FeatureSet) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = nearest(queries.features, pool.features)
    return distances[:, 0], indices[:, 0]
