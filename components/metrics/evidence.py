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

RADIUS = 3
"""k of Kynkäänniemi et al. (2019): a vector's ball reaches to its k-th nearest neighbour."""

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
class Distances:
    """What the real data say of themselves, whatever the model.

    Attributes:
      to_train: float64[M], of each held-out image to the nearest training image.
      radii: float64[M], of each held-out image to its `RADIUS`-th nearest one among them.
    """

    to_train: np.ndarray
    radii: np.ndarray


@dataclasses.dataclass(frozen=True)
class Evidence:
    """All that a metric may use: `train` is what the model has learned from, `reference` is not.

    Attributes:
      samples: The model's images.
      reference: Held-out data.
      train: Training data.
      knows_classes: The extractor's classes are those of the data; else what it recognises in a
        sample says nothing about the label that was asked for.
      known: Distances among the real data, where they were measured before.

    Raises:
      UserError: The parts were seen by different extractors.
    """

    samples: FeatureSet
    reference: FeatureSet
    train: FeatureSet
    knows_classes: bool = True
    known: Distances | None = None

    def __post_init__(self) -> None:
        seen_by = {part.extractor[:16] for part in (self.samples, self.reference, self.train)}
        if len(seen_by) > 1:
            raise UserError(
                f"features of the extractors {', '.join(sorted(seen_by))} cannot be compared: "
                "figures of different extractors are never compared; extract all with one"
            )

    @functools.cached_property
    def samples_to_train(self) -> np.ndarray:
        """Distance float64[N] of each sample to the nearest training image."""
        if self.samples is self.reference:
            return self.among_real.to_train
        return nearest(self.samples.features, self.train.features)[0][:, 0]

    @functools.cached_property
    def among_real(self) -> Distances:
        """Distances among the real data: how far off new images are."""
        if self.known is not None:
            return self.known
        to_train = nearest(self.reference.features, self.train.features)[0][:, 0]
        return Distances(to_train, radii(self.reference))


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


def radii(features: FeatureSet) -> np.ndarray:
    """Return float64[N], the distance of each vector to its `RADIUS`-th nearest neighbour."""
    return nearest(features.features, features.features, RADIUS, skip_self=True)[0][:, -1]


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
