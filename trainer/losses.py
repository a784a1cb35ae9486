"""Adversarial losses as named pairs of pure functions of the discriminator's raw outputs.

Every function takes `float32[B]` outputs ("logits", no sigmoid applied) and returns a scalar mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class LossPair(NamedTuple):
    """What the discriminator and what the generator minimises."""

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    """`(real_logits, fake_logits) -> loss`"""
    generator: Callable[[tf.Tensor], tf.Tensor]
    """`(fake_logits) -> loss`"""


def cross_entropy_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """E[-log s(D(x))] + E[-log(1 - s(D(G(z))))], s the sigmoid (Goodfellow et al. 2014, eq. 1)."""
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


def non_saturating_generator(fake: tf.Tensor) -> tf.Tensor:
    """E[-log s(D(G(z)))] (Goodfellow et al. 2014, section 3)."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


def minimax_generator(fake: tf.Tensor) -> tf.Tensor:
    """E[log(1 - s(D(G(z))))] (Goodfellow et al. 2014, eq. 1); weak gradients early on."""
    return -tf.reduce_mean(tf.nn.softplus(fake))


def hinge_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))] (Lim and Ye 2017, Miyato et al. 2018)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def hinge_generator(fake: tf.Tensor) -> tf.Tensor:
    """-E[D(G(z))] (Lim and Ye 2017)."""
    return -tf.reduce_mean(fake)


def least_squares_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """(E[(D(x) - 1)^2] + E[D(G(z))^2]) / 2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * (tf.reduce_mean(tf.square(real - 1.0)) + tf.reduce_mean(tf.square(fake)))


def least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * tf.reduce_mean(tf.square(fake - 1.0))


LOSSES: dict[str, LossPair] = {
    "hinge": LossPair(hinge_discriminator, hinge_generator),
    "least_squares": LossPair(least_squares_discriminator, least_squares_generator),
    "minimax": LossPair(cross_entropy_discriminator, minimax_generator),
    "non_saturating": LossPair(cross_entropy_discriminator, non_saturating_generator),
}


def r1_penalty(discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    """E[|grad_x D(x)|^2] / 2 on real images (Mescheder et al. 2018, eq. 9, without its gamma).

    Args:
      discriminator: `float32[B,H,W,C] -> float32[B]`.
      images: Real images, float32[B,H,W,C].

    Returns:
      A scalar; multiply by gamma, and by the interval when applied lazily.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(discriminator(images))
    gradients = tape.gradient(total, images)
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(gradients), axis=[1, 2, 3]))
