"""Standard errors of figures: delete-a-group jackknife for statistics, binomial for shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from components.metrics.evidence import Score, group_slices
from components.metrics.moments import Moments, merge_all

NEGLIGIBLE = 1e-9
"""Errors below are rounding, not a spread between items."""


def share(hits: np.ndarray) -> Score:
    """Score the share of True among bool[N], with its binomial standard error."""
    value = float(np.mean(hits))
    return Score(value, float(np.sqrt(value * (1 - value) / len(hits))))


def jackknife(left_out: Sequence[float]) -> float:
    """Return the standard error from G estimates, each made without one of G equal groups.

    sqrt((G - 1) / G * sum of squared deviations from their mean) (Shao & Wu, 1989).
    """
    values = np.asarray(left_out, np.float64)
    return float(np.sqrt((len(values) - 1) / len(values) * np.sum((values - values.mean()) ** 2)))


def without_each(groups: Sequence[Moments]) -> list[Moments]:
    """Return, for each group, the merged statistics of all the others (prefix times suffix)."""
    before = [Moments.empty(len(groups[0].mean))]
    after = [before[0]]
    for group in groups:
        before.append(before[-1].merge(group))
    for group in reversed(groups):
        after.append(group.merge(after[-1]))
    return [b.merge(a) for b, a in zip(before, after[-2::-1], strict=False)]


def score_of_moments(groups: Sequence[Moments], figure: Callable[[Moments], float]) -> Score:
    """Score a figure of merged statistics; the error is that of drawing these samples."""
    left_out = [figure(part) for part in without_each(groups)]
    return Score(figure(merge_all(groups)), jackknife(left_out))


def over_rows(figure: Callable[[np.ndarray], float], count: int) -> Score:
    """Score a figure of items; the error is that of drawing other items like these.

    Args:
      figure: Maps rows, int64[M] in 0..count-1, to the figure of these items alone.
      count: Number of items.

    Returns:
      The figure of all with its delete-a-group jackknife error (0 for a single item).
    """
    rows = np.arange(count)
    if count < 2:
        return Score(figure(rows), 0.0)
    left_out = [figure(np.delete(rows, part)) for part in group_slices(count)]
    error = jackknife(left_out)
    return Score(figure(rows), error if error > NEGLIGIBLE else 0.0)
