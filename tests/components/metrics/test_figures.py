"""Every other figure against hand-computed values, brute force and the known frauds."""

import math

import numpy as np
import pytest

from components import metrics
from components.metrics.errors import jackknife, share, without_each
from components.metrics.evidence import Evidence, FeatureSet
from components.metrics.kernel import NARROW, mmd2
from components.metrics.moments import merge_all
from components.metrics.neighbours import inside_any_ball, nearest
from components.metrics.score import score_all
from trainer.errors import UserError

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 4, size=(3, 6))


def feature_set(features, classes, labels=None):
    """A set whose images are recognised as `classes`, with certainty 0.9."""
    features = np.asarray(features, np.float32)
    probabilities = np.full((len(features), 3), 0.05, np.float32)
    probabilities[np.arange(len(features)), classes] = 0.9
    digests = np.array([hash(row.tobytes()) for row in features], np.int64).view(np.uint64)
    labels = classes if labels is None else labels
    return FeatureSet.of(np.arange(len(features)), labels, features, probabilities, digests)


def real(n, seed):
    classes = np.arange(n) % 3
    noise = np.random.default_rng(seed).normal(size=(n, 6))
    return feature_set(CENTRES[classes] + noise, classes)


TRAIN, HELD_OUT = real(600, 1), real(300, 2)


def score(name, samples, reference=HELD_OUT):
    return metrics.get(name)(Evidence(samples, reference, TRAIN))


def test_new_images_of_the_same_kind_score_well_everywhere():
    scores = score_all(Evidence(real(1000, 3), HELD_OUT, TRAIN), "toy")
    assert list(scores)[:2] == ["fid_toy_1k", "kid_toy_1k"]
    assert scores["fid_toy_1k"].value < 0.3
    one_class = score("kid", TRAIN.take(np.arange(0, 600, 3))).value
    assert abs(scores["kid_toy_1k"].value) < 0.01 * one_class
    assert scores["precision"].value > 0.85 and scores["recall"].value > 0.85
    assert scores["label_accuracy"].value == 1.0 and scores["label_accuracy"].error == 0.0
    assert scores["class_balance"].value == pytest.approx(1.0, abs=0.01)
    assert scores["nearest_train_distance"].value == pytest.approx(1.0, abs=0.1)
    assert scores["copied_share"].value < 0.03
    assert scores["intra_class_fid_toy_1k"].value < 0.5


@pytest.mark.parametrize(
    ("fraud", "figure", "bound"),
    [
        (TRAIN, "nearest_train_distance", 1e-6),
        (TRAIN.take(np.resize(np.arange(30), 1000)), "distinct_share", 0.031),
        (feature_set(TRAIN.features, np.zeros(600, int), TRAIN.labels), "class_balance", 0.0),
        (TRAIN.take(np.resize(np.arange(30), 1000)), "recall", 0.5),
        (feature_set(TRAIN.features, TRAIN.predicted, (TRAIN.labels + 1) % 3), "label_accuracy", 0),
    ],
    ids=["memorised", "repeated", "one class", "few modes", "shuffled labels"],
)
def test_frauds_that_the_frechet_distance_misses(fraud, figure, bound):
    assert score(figure, fraud).value <= bound


def test_half_of_the_samples_copied_shows_in_the_copied_share():
    mixed = np.concatenate([real(500, 5).features, TRAIN.features[:500]])
    found = score("copied_share", feature_set(mixed, np.arange(1000) % 3)).value
    assert 0.5 <= found < 0.53


@pytest.mark.parametrize("width", [4, NARROW + 1])
def test_mmd2_equals_the_double_loop(width):
    x, y = RNG.normal(size=(45, width)), RNG.normal(0.3, 1, size=(31, width))

    def kernel(a, b):
        return (a @ b / width + 1) ** 3

    xx = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    yy = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    xy = np.mean([kernel(a, b) for a in x for b in y])
    assert mmd2(x, y).value == pytest.approx(xx + yy - 2 * xy, rel=1e-9)


def test_mmd2_error_is_the_spread_over_fresh_samples():
    y = np.random.default_rng(1).normal(size=(2000, 4))
    scores = [mmd2(np.random.default_rng(s).normal(0.2, 1, size=(400, 4)), y) for s in range(30)]
    spread = np.std([s.value for s in scores])
    assert np.mean([s.error for s in scores]) == pytest.approx(spread, rel=0.35)


def test_jackknife_of_a_mean_is_its_standard_error():
    x = RNG.normal(size=20)
    left_out = [np.delete(x, i).mean() for i in range(20)]
    assert jackknife(left_out) == pytest.approx(x.std(ddof=1) / math.sqrt(20), rel=1e-12)


def test_without_each_is_the_rest():
    groups = HELD_OUT.groups
    for index, left in enumerate(without_each(groups)):
        rest = merge_all([g for i, g in enumerate(groups) if i != index])
        assert left.n == rest.n
        np.testing.assert_allclose(left.m2, rest.m2, rtol=1e-9)


def test_share_by_hand():
    found = share(np.array([True, True, True, False]))
    assert (found.value, found.error) == (0.75, math.sqrt(0.75 * 0.25 / 4))


def test_inception_score_by_hand():
    # Two equally frequent, certain answers (0.9, 0.05, 0.05) and (0.05, 0.9, 0.05).
    samples = feature_set(RNG.normal(size=(40, 6)), np.arange(40) % 2)
    p, q = np.array([0.9, 0.05, 0.05]), np.array([0.475, 0.475, 0.05])
    expected = math.exp((p * np.log(p / q)).sum())
    assert score("inception_score", samples).value == pytest.approx(expected, rel=1e-6)


def test_nearest_equals_brute_force_across_blocks():
    queries, pool = RNG.normal(size=(1200, 3)), RNG.normal(size=(90, 3))
    distances, indices = nearest(queries, pool, 3)
    table = np.linalg.norm(queries[:, None] - pool, axis=2)
    np.testing.assert_allclose(distances, np.sort(table, axis=1)[:, :3], rtol=1e-9)
    np.testing.assert_array_equal(indices, np.argsort(table, axis=1)[:, :3])
    own, _ = nearest(pool, pool, 1, skip_self=True)
    assert own.min() > 0
    assert nearest(pool, pool)[0].max() == 0.0


def test_inside_any_ball_by_hand():
    inside = inside_any_ball([[0.5, 0], [2, 0]], np.array([[0, 0], [9, 9]]), np.array([1.0, 1.0]))
    assert inside.tolist() == [True, False]


def test_figures_that_need_labels_or_more_images_are_left_out():
    unlabelled = feature_set(HELD_OUT.features, HELD_OUT.predicted, np.full(300, -1))
    assert score("label_accuracy", unlabelled) is None
    assert score("class_balance", unlabelled).value == pytest.approx(1.0)  # against held-out shares
    assert score("intra_class_fid", real(20, 1)) is None


def test_held_out_data_inside_the_training_data_is_a_user_error():
    with pytest.raises(UserError, match="share no records"):
        metrics.get("nearest_train_distance")(Evidence(HELD_OUT, TRAIN, TRAIN))


def test_names_carry_the_protocol():
    assert metrics.full_name("fid", "mnist-cnn", 10_000) == "fid_mnist-cnn_10k"
    assert metrics.full_name("precision", "mnist-cnn", 10_000) == "precision"
    assert metrics.base_name("intra_class_fid_mnist-cnn_10k") == "intra_class_fid"
    assert metrics.base_name("beauty") is None
    with pytest.raises(UserError, match="did you mean 'fid'"):
        metrics.get("fit")


def test_every_line_of_the_table_leads_to_a_documented_function():
    for name in metrics.METRICS:
        assert metrics.get(name).__doc__
