"""Adversarial losses as named pairs of pure functions of the discriminator's raw outputs.

Every function takes `float32[B]` outputs ("logits", no sigmoid applied) and returns a scalar mean.
s is the sigmoid, D the raw output, t and u the targets of real and generated images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

Target = Any
Discriminator = Callable[[tf.Tensor], tf.Tensor]


class LossPair(NamedTuple):
    """What the discriminator and what the generator minimises."""

    discriminator: Callable[..., tf.Tensor]
    """`(real_logits, fake_logits, real_target, fake_target) -> loss`; targets where there are any
    (`gan_settings.WITH_TARGETS`): 1 and 0 unless softened, float or float32[B]"""
    generator: Callable[[tf.Tensor], tf.Tensor]
    """`(fake_logits) -> loss`"""


def cross_entropy_discriminator(
    real: tf.Tensor, fake: tf.Tensor, real_target: Target = 1.0, fake_target: Target = 0.0
) -> tf.Tensor:
    """E[-t log s(D(x)) - (1 - t) log(1 - s(D(x)))] and the same of G(z) with u.

    Goodfellow et al. 2014, eq. 1; targets other than 1 and 0 after Salimans et al. 2016, 3.4.
    As -log s(D) = softplus(-D) and -log(1 - s(D)) = softplus(-D) + D: softplus(-D) + (1 - t) D.
    """
    on_real = tf.nn.softplus(-real) + (1.0 - real_target) * real
    on_fake = tf.nn.softplus(fake) - fake_target * fake
    return tf.reduce_mean(on_real) + tf.reduce_mean(on_fake)


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


def least_squares_discriminator(
    real: tf.Tensor, fake: tf.Tensor, real_target: Target = 1.0, fake_target: Target = 0.0
) -> tf.Tensor:
    """(E[(D(x) - t)^2] + E[(D(G(z)) - u)^2]) / 2 (Mao et al. 2017, eq. 2)."""
    on_real, on_fake = tf.square(real - real_target), tf.square(fake - fake_target)
    return 0.5 * (tf.reduce_mean(on_real) + tf.reduce_mean(on_fake))


def least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """E[(D(G(z)) - 1)^2] / 2 (Mao et al. 2017, eq. 9)."""
    return 0.5 * tf.reduce_mean(tf.square(fake - 1.0))


def wasserstein_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """E[D(G(z))] - E[D(x)] (Arjovsky et al. 2017, eq. 3); only with a gradient penalty."""
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


LOSSES: dict[str, LossPair] = {
    "hinge": LossPair(hinge_discriminator, hinge_generator),
    "least_squares": LossPair(least_squares_discriminator, least_squares_generator),
    "minimax": LossPair(cross_entropy_discriminator, minimax_generator),
    "non_saturating": LossPair(cross_entropy_discriminator, non_saturating_generator),
    "wasserstein": LossPair(wasserstein_discriminator, hinge_generator),
}


def r1_penalty(discriminator: Discriminator, images: tf.Tensor) -> tf.Tensor:
    """E[|grad_x D(x)|^2] / 2 on real images (Mescheder et al. 2018, eq. 9, without its gamma).

    Args:
      discriminator: `float32[B,...] -> float32[B]`.
      images: Real images, float32[B,...].

    Returns:
      A scalar; multiply by gamma, and by the interval when applied lazily.
    """
    return 0.5 * tf.reduce_mean(_squared_norms(discriminator, images))


def gradient_penalty(
    discriminator: Discriminator, real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """E[(|grad_x D(x)| - 1)^2] at x = mix real + (1 - mix) fake (Gulrajani et al. 2017, eq. 3).

    Args:
      discriminator: `float32[B,...] -> float32[B]`.
      real: Real images, float32[B,...].
      fake: Generated images of the same shape.
      mix: Shares from 0 to 1, float32[B].

    Returns:
      A scalar; multiply by lambda, 10 in the paper.
    """
    mix = tf.reshape(mix, [-1] + [1] * (len(real.shape) - 1))
    # The small number keeps the root's own gradient finite where the norm is zero.
    norms = tf.sqrt(_squared_norms(discriminator, mix * real + (1.0 - mix) * fake) + 1e-12)
    return tf.reduce_mean(tf.square(norms - 1.0))


def _squared_norms(discriminator: Discriminator, images: tf.Tensor) -> tf.Tensor:
    """Return |grad_x D(x)|^2 of each image, float32[B]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(discriminator(images))
    gradients = tape.gradient(total, images)
    return tf.reduce_sum(tf.square(gradients), axis=list(range(1, len(images.shape))))
