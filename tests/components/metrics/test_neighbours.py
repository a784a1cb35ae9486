"""Nearest neighbours and balls against their float64 definition, where float32 cannot tell."""

import numpy as np
import pytest

from components.metrics import neighbours
from components.metrics.neighbours import inside_any_ball, nearest


def plain(queries, pool):
    """All distances, float64[N,M], from differences."""
    return np.linalg.norm(queries[:, None].astype(float) - pool[None].astype(float), axis=2)


def crowded(rng, count, dim):
    """Vectors far from zero, some equal, some apart by less than float32's grain at that size."""
    rows = 100 + rng.normal(size=(count, dim))
    rows[: count // 5] = rows[0] + 1e-6 * rng.normal(size=(count // 5, dim))
    rows[count // 5 : count // 4] = rows[-1]
    return rows


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dim", [4, 64])
def test_nearest_is_exact_where_float32_cannot_tell(dim, k, monkeypatch):
    monkeypatch.setattr(neighbours, "TILE", 150)
    rng = np.random.default_rng(dim)
    pool, queries = crowded(rng, 700, dim), crowded(rng, 610, dim)
    queries[:50] = pool[:50]
    expected = np.sort(plain(queries, pool), axis=1)[:, :k]
    distances, indices = nearest(queries, pool, k)
    np.testing.assert_allclose(distances, expected, rtol=1e-9, atol=1e-12)
    found = np.linalg.norm(queries[:, None] - pool[indices], axis=2)
    np.testing.assert_array_equal(found, distances)
    among = plain(pool, pool)
    np.fill_diagonal(among, np.inf)
    distances, _ = nearest(pool, pool, k, skip_self=True)
    np.testing.assert_allclose(distances, np.sort(among, axis=1)[:, :k], rtol=1e-9, atol=1e-12)


def test_balls_are_exact_at_their_rim():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(900, 32))
    queries = rng.normal(size=(520, 32))
    radii = np.full(900, np.median(plain(queries, centres).min(axis=1)))
    # Rims just inside and just outside of a query, nearer than float32 could tell.
    nearest_one = plain(queries, centres).argmin(axis=1)
    rim = plain(queries, centres).min(axis=1)
    radii[nearest_one[:100]] = rim[:100] * (1 + 1e-9)
    radii[nearest_one[100:200]] = rim[100:200] * (1 - 1e-9)
    expected = (plain(queries, centres) <= radii).any(axis=1)
    found = inside_any_ball(queries, centres, radii)
    np.testing.assert_array_equal(found, expected)
    assert 0.2 < found.mean() < 0.9


def test_vectors_that_are_all_one_are_no_special_case():
    same = np.full((1300, 64), 3.0, np.float32)
    distances, indices = nearest(same, same, 3, skip_self=True)
    assert not distances.any() and (indices != np.arange(1300)[:, None]).all()
    assert inside_any_ball(same, same, np.zeros(1300)).all()
