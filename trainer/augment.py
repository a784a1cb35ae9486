"""Differentiable augmentation of real and generated images alike (Zhao et al. 2020).

Each function maps float32[B,H,W,C] in [-1, 1] to the same shape, an own draw per image, and lets
gradients through. Seeds are int[2] of stateless draws.
"""

from __future__ import annotations

import tensorflow as tf

from trainer import draw
from trainer.gan_settings import GanTrain


def augment(images: tf.Tensor, train: GanTrain, seed: tf.Tensor) -> tf.Tensor:
    """Apply what the settings ask for: colour, translation, cutout, in this order."""
    if train.colour:
        images = colour(images, seed + 1)
    images = translate(images, train.translation, seed)
    return cutout(images, train.cutout, seed + 2)


def translate(images: tf.Tensor, pixels: int, seed: tf.Tensor, fill: float = -1.0) -> tf.Tensor:
    """Shift each image by up to `pixels` in both directions; 0 returns the images unchanged.

    Args:
      images: float32[B,H,W,C].
      pixels: Largest shift.
      seed: int32[2] or int64[2].
      fill: Value of the pixels that come into view.
    """
    if not pixels:
        return images
    batch, height, width, _ = tf.unstack(tf.shape(images))
    shift = draw.uniform(batch, [2], seed, 0, 2 * pixels + 1)
    border = [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]
    padded = tf.pad(images, border, constant_values=fill)
    rows = tf.range(height)[None] + shift[:, :1]
    columns = tf.range(width)[None] + shift[:, 1:]
    # Two row gathers around a transpose: far cheaper than one gather_nd over every pixel.
    padded = tf.gather(padded, rows, batch_dims=1)
    turned = tf.gather(tf.transpose(padded, [0, 2, 1, 3]), columns, batch_dims=1)
    return tf.transpose(turned, [0, 2, 1, 3])


def cutout(images: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Set a square of `share` of the image's side to 0 (mid grey); it may reach over the border."""
    if not share:
        return images
    batch, height, width, _ = tf.unstack(tf.shape(images))
    centre = draw.uniform(batch, [2], seed)
    outside = []
    for axis, size in enumerate((height, width)):
        place = (tf.range(tf.cast(size, tf.float32)) + 0.5) / tf.cast(size, tf.float32)
        outside.append(tf.abs(place[None] - centre[:, axis : axis + 1]) >= share / 2)
    kept = outside[0][:, :, None] | outside[1][:, None, :]
    return images * tf.cast(kept, images.dtype)[..., None]


def colour(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Change brightness by up to 0.5, saturation up to twofold, contrast by up to a half."""
    factors = draw.uniform(tf.shape(images)[0], [3, 1, 1, 1], seed)
    images += factors[:, 0] - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = (images - grey) * (2 * factors[:, 1]) + grey
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return (images - mean) * (factors[:, 2] + 0.5) + mean
