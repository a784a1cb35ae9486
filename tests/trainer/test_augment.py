"""Augmentation: shifts, blanked squares, colours; one draw per image, with gradients."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.augment import augment, colour, cutout, translate
from trainer.gan_settings import GanTrain


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


def test_cutout_blanks_one_square_per_image() -> None:
    images = tf.ones([200, 8, 8, 2])
    cut = cutout(images, 0.5, tf.constant([1, 2])).numpy()
    assert set(np.unique(cut)) == {0.0, 1.0}
    np.testing.assert_array_equal(cut[..., 0], cut[..., 1])
    blank = cut[..., 0] == 0
    rows, columns = blank.any(axis=2).sum(axis=1), blank.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(blank.sum(axis=(1, 2)), rows * columns)
    assert rows.max() == 4 and len({image.tobytes() for image in blank}) > 20
    assert cutout(images, 0.0, tf.constant([1, 2])) is images


def test_colour_changes_brightness_saturation_and_contrast_within_bounds() -> None:
    images = tf.random.stateless_uniform([300, 4, 4, 3], [0, 1], -1.0, 1.0)
    changed = colour(images, tf.constant([3, 4])).numpy()
    shift = changed.mean(axis=(1, 2, 3)) - images.numpy().mean(axis=(1, 2, 3))
    assert np.abs(shift).max() <= 0.5 and shift.std() > 0.2
    grey = lambda x: x.mean(axis=3)  # noqa: E731
    contrast = grey(changed).std(axis=(1, 2)) / grey(images.numpy()).std(axis=(1, 2))
    assert 0.5 <= contrast.min() < 0.6 and 1.4 < contrast.max() <= 1.5


def test_settings_choose_and_nothing_is_the_default() -> None:
    images, seed = tf.random.stateless_normal([4, 8, 8, 3], [0, 1]), tf.constant([5, 6])
    assert augment(images, GanTrain(steps=1), seed) is images
    all_three = GanTrain(steps=1, colour=True, translation=1, cutout=0.5)
    assert not np.allclose(augment(images, all_three, seed), images)
