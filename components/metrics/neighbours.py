"""Nearest neighbours in feature space, exact, with bounded memory."""

from __future__ import annotations

import numpy as np

BLOCK = 500


def nearest(
    queries: np.ndarray, pool: np.ndarray, k: int = 1, skip_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest vectors of a pool for each query, nearest first.

    Args:
      queries: float[N,D].
      pool: float[M,D] with M >= k (M > k if `skip_self`).
      k: Neighbours per query.
      skip_self: Query i is vector i of the pool and does not count as its own neighbour.

    Returns:
      Euclidean distances float64[N,k] and indices int64[N,k] into the pool.
    """
    queries, pool = np.asarray(queries, np.float64), np.asarray(pool, np.float64)
    norms = (pool**2).sum(axis=1)
    distances, indices = [], []
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        squared = (block**2).sum(axis=1)[:, None] + norms - 2 * block @ pool.T
        if skip_self:
            rows = np.arange(len(block))
            squared[rows, rows + start] = np.inf
        found = np.argpartition(squared, k - 1, axis=1)[:, :k]
        # Differences anew: the expanded square above loses the digits that small distances need.
        exact = np.linalg.norm(block[:, None] - pool[found], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        distances.append(np.take_along_axis(exact, order, axis=1))
        indices.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(distances), np.concatenate(indices)


def inside_any_ball(queries: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Tell for each query whether it lies in at least one ball.

    Args:
      queries: float[N,D].
      centres: float[M,D].
      radii: float[M], Euclidean.

    Returns:
      bool[N].
    """
    queries, centres = np.asarray(queries, np.float64), np.asarray(centres, np.float64)
    norms = (centres**2).sum(axis=1)
    inside = []
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        squared = (block**2).sum(axis=1)[:, None] + norms - 2 * block @ centres.T
        inside.append((squared <= radii**2).any(axis=1))
    return np.concatenate(inside)
