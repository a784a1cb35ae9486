"""Losses against numbers computed by hand, and against the names that recipes may use."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import tensorflow as tf
from pydantic import ValidationError

from trainer.gan_settings import WITH_TARGETS, GanTrain
from trainer.losses import LOSSES, gradient_penalty, r1_penalty

REAL, FAKE = tf.constant([2.0, -1.0]), tf.constant([0.5, -3.0])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


CROSS_ENTROPY = (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2
EXPECTED = {
    # Real: 0 and 2, mean 1. Fake: 1.5 and 0, mean 0.75.
    "hinge": (1.75, 1.25),
    # Halves of 2.5 + 4.625 and of 8.125.
    "least_squares": (3.5625, 4.0625),
    "minimax": (CROSS_ENTROPY, -(softplus(0.5) + softplus(-3)) / 2),
    "non_saturating": (CROSS_ENTROPY, (softplus(-0.5) + softplus(3)) / 2),
    # Means: real 0.5, fake -1.25.
    "wasserstein": (-1.75, 1.25),
}


def cross_entropy(logit: float, target: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_pair_equals_hand_computed_numbers(name: str) -> None:
    pair = LOSSES[name]
    assert float(pair.discriminator(REAL, FAKE)) == pytest.approx(EXPECTED[name][0], rel=1e-6)
    assert float(pair.generator(FAKE)) == pytest.approx(EXPECTED[name][1], rel=1e-6)


@pytest.mark.parametrize("name", WITH_TARGETS)
def test_softened_targets_equal_hand_computed_numbers(name: str) -> None:
    real_target, fake_target = tf.constant([0.9, 0.7]), tf.constant([0.1, 0.2])
    if name == "least_squares":
        # Real: 1.1^2 and 1.7^2. Fake: 0.4^2 and 3.2^2.
        expected = ((1.21 + 2.89) / 2 + (0.16 + 10.24) / 2) / 2
    else:
        on_real = (cross_entropy(2, 0.9) + cross_entropy(-1, 0.7)) / 2
        expected = on_real + (cross_entropy(0.5, 0.1) + cross_entropy(-3, 0.2)) / 2
    loss = LOSSES[name].discriminator(REAL, FAKE, real_target, fake_target)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_recipes_may_name_every_loss_and_no_other() -> None:
    assert set(get_args(GanTrain.model_fields["loss"].annotation)) == set(LOSSES)


def test_r1_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    weights = tf.reshape(tf.constant([1.0, 2.0, -2.0, 4.0]), [2, 2, 1])
    penalty = r1_penalty(
        lambda x: tf.reduce_sum(x * weights, axis=[1, 2, 3]), tf.random.normal([3, 2, 2, 1])
    )
    assert float(penalty) == pytest.approx((1 + 4 + 4 + 16) / 2)


def test_gradient_penalty_looks_between_real_and_generated() -> None:
    # D(x) = x0^2: its gradient is 2 x0, at the mixtures 0.25 * 4 + 0.75 * 8 = 7 and 1.
    real, fake = tf.constant([[4.0, 5.0], [1.0, 0.0]]), tf.constant([[8.0, 1.0], [3.0, 0.0]])
    penalty = gradient_penalty(
        lambda x: tf.square(x[:, 0]), real, fake, mix=tf.constant([0.25, 1.0])
    )
    assert float(penalty) == pytest.approx(((14 - 1) ** 2 + (2 - 1) ** 2) / 2, rel=1e-5)


def test_gradient_penalty_is_finite_where_the_gradient_is_zero() -> None:
    images = tf.Variable(tf.zeros([2, 3]))
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: tf.reduce_sum(tf.square(x), 1), images, images, tf.constant([0.5, 0.5])
        )
    assert math.isfinite(float(tf.reduce_sum(tape.gradient(penalty, images))))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "wasserstein"}, "needs gradient_penalty; 10"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "hinge has no targets"),
        ({"update": "simultaneous", "discriminator_steps": 2}, "one of discriminator_steps"),
        ({"clip_value": 1.0, "clip_norm": 1.0}, "clip_value or clip_norm, not both"),
    ],
)
def test_options_that_would_do_nothing_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GanTrain.model_validate({"steps": 1, **settings})
