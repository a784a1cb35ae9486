"""Fréchet distance against numbers by hand and an independent implementation."""

import numpy as np
import pytest
import scipy.linalg

from components.metrics.frechet import frechet_distance
from components.metrics.moments import Moments
from trainer.errors import UserError


def moments(mean, covariance, n=1000):
    return Moments(n, np.asarray(mean, float), np.asarray(covariance, float) * (n - 1))


def test_one_dimension_by_hand():
    # Squared difference of means 4, variances 4 and 9, twice the root of their product 12.
    assert frechet_distance(moments([3], [[4]]), moments([1], [[9]])) == pytest.approx(5, rel=1e-12)


def test_identical_is_zero_and_symmetric():
    rng = np.random.default_rng(0)
    a, b = Moments.of(rng.normal(size=(300, 6))), Moments.of(rng.normal(1, 2, size=(200, 6)))
    assert abs(frechet_distance(a, a)) < 1e-9
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_equals_the_matrix_root_of_scipy(scale):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 32)) @ rng.normal(size=(32, 32)) * scale
    y = rng.normal(0.5, 1, size=(300, 32)) @ rng.normal(size=(32, 32)) * scale
    cx, cy = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(cx @ cy).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cx + cy - 2 * root)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-6)


def test_constant_feature_is_no_problem():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 4)) * [1, 1, 0, 1]
    assert abs(frechet_distance(Moments.of(x), Moments.of(x))) < 1e-7


def test_too_few_images_says_how_many():
    few = Moments.of(np.random.default_rng(0).normal(size=(64, 64)))
    many = Moments.of(np.random.default_rng(0).normal(size=(65, 64)))
    with pytest.raises(UserError, match=r"64 images are too few.*at least 65"):
        frechet_distance(few, many)


def test_other_dimension_is_refused():
    with pytest.raises(UserError, match="same extractor"):
        frechet_distance(moments([0], [[1]]), moments([0, 0], np.eye(2)))
