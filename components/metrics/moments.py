"""Sufficient statistics of features: count, mean and scatter, mergeable in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Moments:
    """Mean and scatter of n feature vectors.

    Attributes:
      n: Number of vectors.
      mean: float64[D].
      m2: float64[D,D], the sum of outer products of deviations from the mean.
    """

    n: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """Return the identity of `merge` for D = `dim`."""
        return cls(0, np.zeros(dim), np.zeros((dim, dim)))

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Summarize rows: [N,D] of any float type, N may be 0."""
        rows = np.asarray(rows, np.float64)
        if not len(rows):
            return cls.empty(rows.shape[1])
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(len(rows), mean, centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        """Return the statistics of both sets together (Chan, Golub & LeVeque, 1983)."""
        if not self.n or not other.n:
            return self if self.n else other
        n = self.n + other.n
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / n)
        m2 = self.m2 + other.m2 + np.outer(delta, delta) * (self.n * other.n / n)
        return Moments(n, mean, m2)

    def extend(self, rows: np.ndarray) -> Moments:
        """Return `self.merge(Moments.of(rows))` in half the time where D is large.

        The correction for the two means rides along as one more row: so D x D numbers are computed
        and added once. Rows are [N,D] of any float type.
        """
        if not self.n or not len(rows):
            return self.merge(Moments.of(rows))
        rows = np.asarray(rows, np.float64)
        n, mean = self.n + len(rows), rows.mean(axis=0)
        delta = mean - self.mean
        centred = np.empty((len(rows) + 1, len(mean)))
        np.subtract(rows, mean, out=centred[:-1])
        centred[-1] = delta * np.sqrt(self.n * len(rows) / n)
        m2 = centred.T @ centred
        m2 += self.m2
        return Moments(n, self.mean + delta * (len(rows) / n), m2)

    @property
    def covariance(self) -> np.ndarray:
        """float64[D,D], normalized by n - 1; needs n >= 2."""
        return self.m2 / (self.n - 1)


def merge_all(parts: Iterable[Moments]) -> Moments:
    """Merge one or more statistics of the same dimension."""
    first, *rest = parts
    for part in rest:
        first = first.merge(part)
    return first
