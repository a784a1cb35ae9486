"""Kernel distance (KID): squared maximum mean discrepancy with a cubic kernel, free of bias."""

from __future__ import annotations

import numpy as np

from components.metrics.errors import jackknife
from components.metrics.evidence import Evidence, Score, group_slices


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
    sizes = np.array([len(part) for part in parts])
    # Sums of the kernel between groups; within a group without the pairs of a sample and itself.
    within = np.zeros((len(parts), len(parts)))
    for row, part in enumerate(parts):
        within[row, row] = _pair_sum(part)
        for column in range(row):
            within[row, column] = within[column, row] = _kernel_sum(part, parts[column])
    across = np.array([_kernel_sum(part, y) for part in parts])
    own = _pair_sum(y) / (len(y) * (len(y) - 1))

    def estimate(kept: np.ndarray) -> float:
        n = sizes[kept].sum()
        pairs = within[np.ix_(kept, kept)].sum() / (n * (n - 1))
        return float(pairs + own - 2 * across[kept].sum() / (n * len(y)))

    everyone = np.arange(len(parts))
    left_out = [estimate(np.delete(everyone, group)) for group in everyone]
    return Score(estimate(everyone), jackknife(left_out))


def _kernel_sum(a: np.ndarray, b: np.ndarray, rows: int = 1000) -> float:
    """Sum the kernel over all pairs, a block of rows at a time to bound the memory."""
    total = 0.0
    for start in range(0, len(a), rows):
        kernel = a[start : start + rows] @ b.T
        kernel /= a.shape[1]
        kernel += 1
        # Products: NumPy's power is many times slower.
        total += float(np.einsum("ij,ij,ij->", kernel, kernel, kernel))
    return total


def _pair_sum(a: np.ndarray, rows: int = 1000) -> float:
    """Sum the kernel over all pairs of different rows, in both orders."""
    total = -_self_sum(a)
    for start in range(0, len(a), rows):
        block = a[start : start + rows]
        total += _kernel_sum(block, block) + 2 * _kernel_sum(block, a[start + rows :])
    return total


def _self_sum(a: np.ndarray) -> float:
    return float((((a * a).sum(axis=1) / a.shape[1] + 1) ** 3).sum())
