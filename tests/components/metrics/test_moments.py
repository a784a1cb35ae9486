"""Mergeable statistics: any split, order and offset gives the one-pass figures."""

import pickle

import numpy as np
import pytest

from components.metrics.combine import MomentsCombineFn
from components.metrics.moments import Moments, merge_all


def rows(n=500, dim=8, offset=0.0):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) + offset


def test_hand_computed():
    moments = Moments.of(np.array([[0.0, 0.0], [2.0, 4.0]]))
    assert moments.n == 2
    np.testing.assert_array_equal(moments.mean, [1.0, 2.0])
    np.testing.assert_array_equal(moments.covariance, [[2.0, 4.0], [4.0, 8.0]])


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_tree_of_merges_equals_numpy(offset, seed):
    data = rows(offset=offset)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, len(data), 40))  # repeated cuts: empty parts are among them
    parts = [Moments.of(part) for part in np.split(data, cuts)]
    assert any(part.n == 0 for part in parts) or any(part.n == 1 for part in parts)
    while len(parts) > 1:
        i, j = rng.choice(len(parts), 2, replace=False)
        joined = parts[i].merge(pickle.loads(pickle.dumps(parts[j])))
        parts = [part for k, part in enumerate(parts) if k not in (i, j)] + [joined]
    np.testing.assert_allclose(parts[0].mean, data.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(parts[0].covariance, np.cov(data.T), rtol=1e-9, atol=1e-9)


def test_tolerance_catches_float32_sums_and_the_wrong_denominator():
    data = rows(offset=1000.0)
    single = data.astype(np.float32)
    raw = single.T @ single / len(data) - np.outer(single.mean(0), single.mean(0))
    wrong = Moments.of(data).m2 / len(data)
    for bad in (raw, wrong):
        assert np.abs(bad / np.cov(data.T) - 1).max() > 1e-4


def test_combine_fn_in_three_accumulators_equals_one():
    data, fn = rows(), MomentsCombineFn()
    accumulators = []
    for part in (data[:7], data[7:8], data[8:]):
        accumulators.append(fn.add_input(fn.create_accumulator(), Moments.of(part)))
    accumulators.insert(1, fn.create_accumulator())
    merged = fn.extract_output(fn.merge_accumulators(accumulators))
    np.testing.assert_allclose(merged.m2, Moments.of(data).m2, rtol=1e-9)
    assert fn.extract_output(fn.merge_accumulators([None, None])) is None


def test_empty_is_the_identity():
    some = Moments.of(rows())
    assert merge_all([Moments.empty(8), some, Moments.empty(8)]) is some


@pytest.mark.parametrize("offset", [0, 1000])
@pytest.mark.parametrize("step", [1, 7, 64])
def test_extending_is_merging(offset, step):
    whole = rows() + offset
    found = Moments.empty(8)
    for start in range(0, len(whole), step):
        found = found.extend(whole[start : start + step].astype(np.float32))
    want = Moments.of(whole.astype(np.float32))
    assert found.n == want.n and found.extend(whole[:0]) is found
    np.testing.assert_allclose(found.mean, want.mean, rtol=1e-9)
    np.testing.assert_allclose(found.m2, want.m2, rtol=1e-9, atol=1e-9 * np.abs(want.m2).max())
