"""From example files to batches: decode once, keep as uint8, shuffle by (seed, epoch)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainer import features
from trainer.errors import UserError
from trainer.settings import DataSettings


class Images(NamedTuple):
    """A split held in memory."""

    images: np.ndarray
    """uint8[N,H,W,C]"""
    labels: np.ndarray
    """int32[N]; zeros for data without classes"""


def load(patterns: Sequence[str], data: DataSettings) -> Images:
    """Read and decode all examples that match `patterns`.

    Args:
      patterns: File patterns of gzip TFRecord files of tf.Example.
      data: Shape and classes that every example must have.

    Returns:
      The split in file order. Decoded once here: every later epoch costs only a gather.

    Raises:
      UserError: No example, or one of another shape.
    """
    files = sorted(f for pattern in patterns for f in tf.io.gfile.glob(pattern))
    spec = {features.IMAGE: tf.io.FixedLenFeature([], tf.string)}
    if data.classes:
        spec[features.LABEL] = tf.io.FixedLenFeature([], tf.int64)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(record, spec)
        image = tf.io.decode_image(
            example[features.IMAGE], channels=data.image_shape[2], expand_animations=False
        )
        return image, tf.cast(example.get(features.LABEL, 0), tf.int32)

    records = tf.data.TFRecordDataset(files, "GZIP").map(decode, tf.data.AUTOTUNE)
    pairs = list(records.as_numpy_iterator())
    if not pairs:
        raise UserError(f"data set '{data.dataset}' has no training examples in {list(patterns)}")
    shapes = {image.shape for image, _ in pairs}
    if shapes != {data.image_shape}:
        raise UserError(
            f"data set '{data.dataset}' should hold images of shape {data.image_shape}, "
            f"found {sorted(shapes)}"
        )
    images, labels = zip(*pairs, strict=True)
    return Images(np.stack(images), np.asarray(labels, np.int32))


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Scale uint8 in [0, 255] to float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Scale float32 in [-1, 1] to uint8 in [0, 255], rounded to nearest."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def batches(split: Images, batch_size: int, seed: int, skip: int = 0) -> tf.data.Dataset:
    """Endless shuffled batches: float32[B,H,W,C] in [-1, 1] and int32[B].

    The order is a pure function of the seed, so a resumed run continues it exactly.

    Args:
      split: All examples.
      batch_size: B; must not exceed the number of examples.
      seed: Seed of the order.
      skip: Batches already consumed.

    Raises:
      UserError: The batch is larger than the data.
    """
    both = shuffled(split.images, split.labels, batch_size, seed, skip)
    return both.map(lambda images, labels: (to_float(images), labels)).prefetch(4)


def shuffled(
    items: np.ndarray, labels: np.ndarray, batch_size: int, seed: int, skip: int = 0
) -> tf.data.Dataset:
    """Endless shuffled batches of items and labels as they are; see `batches`."""
    count = len(labels)
    if batch_size > count:
        raise UserError(
            f"train.batch_size x train.discriminator_steps is {batch_size} and there are only "
            f"{count} training examples: lower one of them"
        )
    all_items, all_labels = tf.constant(items), tf.constant(labels)
    epoch, within = divmod(skip * batch_size, count)

    def order(number: tf.Tensor) -> tf.data.Dataset:
        shuffle = tf.random.experimental.stateless_shuffle
        return tf.data.Dataset.from_tensor_slices(
            shuffle(tf.range(count), tf.stack([tf.constant(seed, tf.int64), number]))
        )

    return (
        tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
        .flat_map(order)
        .skip(within)
        .batch(batch_size, drop_remainder=True)
        .map(lambda i: (tf.gather(all_items, i), tf.gather(all_labels, i)))
    )
