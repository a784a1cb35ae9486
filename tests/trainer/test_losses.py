"""Losses against numbers computed by hand, and against the names that recipes may use."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import tensorflow as tf

from trainer.gan_settings import GanTrain
from trainer.losses import LOSSES, r1_penalty

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
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_pair_equals_hand_computed_numbers(name: str) -> None:
    pair = LOSSES[name]
    assert float(pair.discriminator(REAL, FAKE)) == pytest.approx(EXPECTED[name][0], rel=1e-6)
    assert float(pair.generator(FAKE)) == pytest.approx(EXPECTED[name][1], rel=1e-6)


def test_recipes_may_name_every_loss_and_no_other() -> None:
    assert set(get_args(GanTrain.model_fields["loss"].annotation)) == set(LOSSES)


def test_r1_of_a_linear_discriminator_is_half_its_squared_norm() -> None:
    weights = tf.reshape(tf.constant([1.0, 2.0, -2.0, 4.0]), [2, 2, 1])
    penalty = r1_penalty(
        lambda x: tf.reduce_sum(x * weights, axis=[1, 2, 3]), tf.random.normal([3, 2, 2, 1])
    )
    assert float(penalty) == pytest.approx((1 + 4 + 4 + 16) / 2)
