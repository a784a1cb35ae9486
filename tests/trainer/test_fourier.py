"""Convolutions by Fourier transform equal Keras' own, in value and in gradient."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from trainer.models.fourier import FourierConv2D, FourierConv2DTranspose, bilinear, pays

PAIRS = {
    "convolution": (layers.Conv2D, FourierConv2D),
    "transposed": (layers.Conv2DTranspose, FourierConv2DTranspose),
}


def both(name, kernel, stride, shape, **options):
    """Return Keras' layer and ours with the same weights, the bias not zero."""
    plain, fast = (
        each(40, kernel, stride, padding="same", activation="tanh", **options)
        for each in PAIRS[name]
    )
    plain.build(shape)
    fast.build(shape)
    plain.bias.assign(np.linspace(-1, 1, 40))
    fast.set_weights(plain.get_weights())
    return plain, fast


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("side", [4, 7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(5, 1), (6, 1), (5, 2), (6, 2)])
def test_values_and_gradients_equal_keras(name, side, kernel, stride):
    grid = side * stride if name == "convolution" else side
    x = tf.random.stateless_normal([3, grid, grid, 33], [1, 2])
    plain, fast = both(name, kernel, stride, x.shape)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        expected, got = plain(x, training=True), fast(x, training=True)
        losses = [tf.reduce_sum(y * tf.cos(y)) for y in (expected, got)]
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert not np.array_equal(got, expected)  # it took the other way
    gradients = [
        tape.gradient(loss, [x, layer.kernel.value, layer.bias.value])
        for loss, layer in zip(losses, (plain, fast), strict=True)
    ]
    for wanted, found in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", PAIRS)
def test_the_plain_way_is_taken_outside_training_and_where_nothing_is_gained(name):
    x = tf.random.stateless_normal([2, 16, 16, 33], [3, 4])
    plain, fast = both(name, 5, 1, x.shape)
    np.testing.assert_array_equal(fast(x, training=True), plain(x))  # a large grid
    small = x[:, :8, :8]
    np.testing.assert_array_equal(fast(small), plain(small))
    plain, fast = both(name, 5, 1, small.shape, dtype="float64")
    np.testing.assert_array_equal(fast(small, training=True), plain(small))
    assert not pays(both(name, 3, 1, small.shape)[1], (8, 8), 64)
    assert not pays(both(name, 5, 1, small.shape)[1], (8, 8), 16)
    assert not pays(both(name, 5, 1, small.shape)[1], (8, 7), 64)


def test_it_takes_a_seventh_of_the_multiplications():
    a, b, c = bilinear(7, (-2, -1, 0, 1, 2))
    assert a.shape == (121, 49)
    assert b.shape == (121, 25)
    assert c.shape == (49, 121)
    met = sum(0 <= q - t < 7 for q in range(7) for t in range(-2, 3)) ** 2
    assert round(met / len(a)) == 7


def test_an_odd_grid_is_halved_as_keras_does():
    x = tf.random.stateless_normal([2, 7, 7, 33], [5, 6])
    plain, fast = both("convolution", 5, 2, x.shape)
    np.testing.assert_array_equal(fast(x, training=True), plain(x))


def test_a_saved_layer_comes_back():
    given = FourierConv2D(40, 5, 2, padding="same")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(given))
    assert isinstance(again, FourierConv2D)
    assert again.get_config() == given.get_config()
