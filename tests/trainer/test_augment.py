"""Translation: whole-pixel shifts, one per image, with gradients."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.augment import translate


def test_shifts_each_image_within_bounds_and_fills_the_border() -> None:
    images = np.full((64, 6, 6, 1), -1.0, np.float32)
    images[:, 3, 3] = 1.0
    moved = translate(tf.constant(images), 2, tf.constant([1, 2])).numpy()
    where = np.argwhere(moved[..., 0] == 1.0)
    assert len(where) == 64
    assert where[:, 1:].min() == 1 and where[:, 1:].max() == 5
    assert len({tuple(row) for row in where[:, 1:]}) > 10


def test_is_a_function_of_its_seed_and_off_at_zero() -> None:
    images = tf.random.normal([4, 6, 6, 1])
    same = [translate(images, 2, tf.constant([7, 7])).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert translate(images, 0, tf.constant([7, 7])) is images


def test_gradient_of_a_kept_pixel_is_one() -> None:
    images = tf.ones([1, 6, 6, 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(translate(images, 1, tf.constant([0, 3])))
    gradient = tape.gradient(total, images).numpy()
    assert set(np.unique(gradient)) <= {0.0, 1.0}
    assert gradient[0, 2:4, 2:4].min() == 1.0
