"""Kernel distance (KID): squared maximum mean discrepancy with a cubic kernel, free of bias."""

from __future__ import annotations

import numpy as np

from components.metrics.errors import jackknife
from components.metrics.evidence import Evidence, Score, group_slices

NARROW = 64
"""Features up to which sums of products of three cost less than all pairs of rows."""


def kid(evidence: Evidence) -> Score:
    """Score the unbiased MMD^2 between all samples and all held-out data.

    Kernel (x.y / D + 1)^3 (Binkowski et al., 2018). All pairs are used instead of random subsets,
    so the figure has no randomness of its own and its expectation does not depend on the counts;
    it may be slightly negative. The error is the jackknife's over groups of samples.
    """
    return mmd2(evidence.samples.features, evidence.reference.features)


def mmd2(samples: np.ndarray, reference: np.ndarray) -> Score:
    """Score the unbiased MMD^2 of float[N,D] against float[M,D]; N, M >= 2."""
    x, y = np.asarray(samples, np.float64), np.asarray(reference, np.float64)
    parts = [x[part] for part in group_slices(len(x))]
    others = [y[part] for part in group_slices(len(y))]
    count, sizes = len(parts), np.array([len(part) for part in parts])
    sums = _sums([*parts, *others])
    across = sums[:count, count:].sum(axis=1)
    own = (sums[count:, count:].sum() - _self_sum(y)) / (len(y) * (len(y) - 1))
    # Within a group without the pairs of a sample and itself.
    within = sums[:count, :count] - np.diag([_self_sum(part) for part in parts])

    def estimate(kept: np.ndarray) -> float:
        n = sizes[kept].sum()
        pairs = within[np.ix_(kept, kept)].sum() / (n * (n - 1))
        return float(pairs + own - 2 * across[kept].sum() / (n * len(y)))

    everyone = np.arange(count)
    left_out = [estimate(np.delete(everyone, group)) for group in everyone]
    return Score(estimate(everyone), jackknife(left_out))


def _sums(groups: list[np.ndarray]) -> np.ndarray:
    """Sum the kernel over all pairs of one row of a group and one of another: float64[G,G]."""
    if groups[0].shape[1] <= NARROW:
        mapped = np.stack([_mapped_sum(group) for group in groups])
        return mapped @ mapped.T
    sums = np.zeros((len(groups), len(groups)))
    for row, group in enumerate(groups):
        for column in range(row + 1):
            sums[row, column] = sums[column, row] = _pair_sum(group, groups[column])
    return sums


def _mapped_sum(rows: np.ndarray) -> np.ndarray:
    """Sum over float[N,D] of the features whose inner product is the kernel: float64[D^3+...+1].

    (t/D + 1)^3 = 1 + 3 t/D + 3 t^2/D^2 + t^3/D^3, and the k-th power of x.y is the inner product of
    all products of k numbers of x with those of y.
    """
    count, width = rows.shape
    products = (rows[:, :, None] * rows[:, None, :]).reshape(count, width * width)
    second, third = products.sum(axis=0), (products.T @ rows).ravel()
    first = np.sqrt(3 / width) * rows.sum(axis=0)
    return np.concatenate([[count], first, np.sqrt(3) / width * second, width**-1.5 * third])


def _pair_sum(a: np.ndarray, b: np.ndarray) -> float:
    kernel = a @ b.T
    kernel /= a.shape[1]
    kernel += 1
    # Products: NumPy's power is many times slower.
    return float(np.einsum("ij,ij,ij->", kernel, kernel, kernel))


def _self_sum(a: np.ndarray) -> float:
    return float((((a * a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())
