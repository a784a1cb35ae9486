"""Faster forms against the plain ones they stand for: upsampled convolution, Adam."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.adam import FusedAdam
from trainer.models.parts import UpsampledConv2D


@pytest.mark.parametrize("side", [1, 2, 7])
def test_upsampled_convolution_equals_doubling_pixels_and_convolving(side: int) -> None:
    images = tf.random.stateless_normal([2, side, side, 3], [1, 2])
    fast, plain = UpsampledConv2D(5), keras.layers.Conv2D(5, 3, padding="same")
    doubled = keras.layers.UpSampling2D()(images)
    assert fast(images).shape == plain(doubled).shape == (2, 2 * side, 2 * side, 5)
    fast.bias.assign(tf.range(5, dtype=tf.float32))
    plain.set_weights(fast.get_weights())
    results, gradients = [], []
    for layer, given in ((fast, images), (plain, doubled)):
        with tf.GradientTape() as tape:
            result = layer(given)
            loss = tf.reduce_sum(tf.square(result))
        results.append(result)
        gradients.append(tape.gradient(loss, layer.trainable_variables))
    np.testing.assert_allclose(*results, atol=1e-5)
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("beta_1", [0.0, 0.9])
def test_fused_adam_takes_the_same_steps_as_keras(beta_1: float) -> None:
    start = tf.random.stateless_normal([4, 3], [1, 2])
    one, other = keras.Variable(start), keras.Variable(start)
    fused = FusedAdam(0.01, beta_1, 0.99, global_clipnorm=1.0)
    plain = keras.optimizers.Adam(0.01, beta_1, 0.99, global_clipnorm=1.0)
    for number in range(5):
        gradient = tf.random.stateless_normal([4, 3], [number, 3])
        fused.apply([gradient], [one])
        plain.apply([gradient], [other])
    np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)
    assert np.abs(one.numpy() - start.numpy()).max() > 0.01
    for mine, its in zip(fused.variables, plain.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-5, atol=1e-8)


def test_fused_adam_takes_gradients_of_looked_up_rows() -> None:
    table, optimizer = keras.Variable(tf.zeros([3, 2])), FusedAdam(0.1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table.value, [1]))
    optimizer.apply(tape.gradient(loss, [table.value]), [table])
    np.testing.assert_allclose(table.numpy(), [[0, 0], [-0.1, -0.1], [0, 0]], atol=1e-6)
