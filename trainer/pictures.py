"""Images as a medium of adversarial training: batches, sheets and what is exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer import input
from trainer.export import GeneratorModule
from trainer.input import Images, to_uint8
from trainer.logs import sheet
from trainer.settings import DataSettings

SHEET_COLUMNS = 10


class Pictures:
    """A training split of images.

    Attributes:
      examples: Images there are.
    """

    def __init__(self, data: DataSettings, split: Images) -> None:
        self.data, self.split, self.examples = data, split, len(split.labels)

    @classmethod
    def read(cls, patterns: Sequence[str], data: DataSettings) -> Pictures:
        """Read and decode all examples that match `patterns`; see `input.load`."""
        return cls(data, input.load(patterns, data))

    def batches(self, size: int, seed: int, skip: int) -> tf.data.Dataset:
        """Return endless shuffled batches, float32[size,H,W,C] and int32[size]."""
        return input.batches(self.split, size, seed, skip)

    def sheet_labels(self) -> np.ndarray:
        """Return the labels of a sheet's samples, a class per row: int32[rows*SHEET_COLUMNS]."""
        rows = self.data.classes or SHEET_COLUMNS
        return np.arange(rows * SHEET_COLUMNS, dtype=np.int32) // SHEET_COLUMNS

    def real_sheet(self) -> np.ndarray:
        """Lay out real images like the samples, a class per row: uint8[H,W,C]."""
        columns, split = SHEET_COLUMNS, self.split
        if not self.data.classes:
            return sheet(split.images[: columns * columns], columns)
        rows = [split.images[split.labels == n][:columns] for n in range(self.data.classes)]
        blank = np.zeros((columns, *self.data.image_shape), np.uint8)
        filled = [np.concatenate([row, blank])[:columns] for row in rows]
        return sheet(np.concatenate(filled), columns)

    def draw(self, images: tf.Tensor) -> np.ndarray:
        """Lay out generated images, float32[N,H,W,C] in [-1, 1] -> uint8[H,W,C]."""
        return sheet(self.items(images), SHEET_COLUMNS)

    def items(self, images: tf.Tensor) -> np.ndarray:
        """Turn a generator's output into what the data hold: uint8[N,H,W,C]."""
        return to_uint8(tf.cast(images, tf.float32)).numpy()

    def module(
        self, network: keras.Model, noise: Callable[[tf.Tensor], tf.Tensor], classes: int
    ) -> GeneratorModule:
        """Wrap a generator for export; `classes` is 0 for an unconditional one."""
        return GeneratorModule(network, noise, classes)
