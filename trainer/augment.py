"""Differentiable augmentation of real and generated images alike (Zhao et al. 2020)."""

from __future__ import annotations

import tensorflow as tf


def translate(images: tf.Tensor, pixels: int, seed: tf.Tensor, fill: float = -1.0) -> tf.Tensor:
    """Shift each image by up to `pixels` in both directions; gradients flow through.

    Args:
      images: float32[B,H,W,C].
      pixels: Largest shift; 0 returns the images unchanged.
      seed: int32[2] or int64[2] for the stateless draw.
      fill: Value of the pixels that come into view.

    Returns:
      float32[B,H,W,C].
    """
    if not pixels:
        return images
    batch, height, width, _ = tf.unstack(tf.shape(images))
    shift = tf.random.stateless_uniform([batch, 2], seed, 0, 2 * pixels + 1, dtype=tf.int32)
    border = [[0, 0], [pixels, pixels], [pixels, pixels], [0, 0]]
    padded = tf.pad(images, border, constant_values=fill)
    rows = tf.range(height)[None] + shift[:, :1]
    columns = tf.range(width)[None] + shift[:, 1:]
    # Two row gathers around a transpose: far cheaper than one gather_nd over every pixel.
    padded = tf.gather(padded, rows, batch_dims=1)
    turned = tf.gather(tf.transpose(padded, [0, 2, 1, 3]), columns, batch_dims=1)
    return tf.transpose(turned, [0, 2, 1, 3])
