"""Single numbers as a medium of adversarial training: batches, histograms and what is exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from trainer import features, input
from trainer.errors import UserError
from trainer.export import GeneratorModule
from trainer.settings import DataSettings

SHEET_SAMPLES, BINS, HEIGHT, BAR = 2000, 100, 80, 3


class Values:
    """A training split of numbers; networks see them with mean 0 and standard deviation 1.

    Attributes:
      examples: Numbers there are.
    """

    def __init__(self, data: DataSettings, values: np.ndarray, labels: np.ndarray) -> None:
        self.data, self.values, self.labels = data, values, labels
        self.examples = len(values)
        self.mean, self.scale = float(values.mean()), float(values.std()) or 1.0

    @classmethod
    def read(cls, patterns: Sequence[str], data: DataSettings) -> Values:
        """Read all examples that match `patterns`, gzip TFRecord files of tf.Example.

        Raises:
          UserError: There is none.
        """
        spec = {features.VALUE: tf.io.FixedLenFeature([], tf.float32)}
        if data.classes:
            spec[features.LABEL] = tf.io.FixedLenFeature([], tf.int64)
        files = sorted(f for pattern in patterns for f in tf.io.gfile.glob(pattern))
        records = tf.data.TFRecordDataset(files, "GZIP").batch(1000)
        parsed = list(records.map(lambda r: tf.io.parse_example(r, spec)).as_numpy_iterator())
        if not parsed:
            raise UserError(f"data set '{data.dataset}' has no training examples in {patterns}")
        values = np.concatenate([batch[features.VALUE] for batch in parsed])
        labels = np.zeros(len(values), np.int32)
        if data.classes:
            labels = np.concatenate([batch[features.LABEL] for batch in parsed]).astype(np.int32)
        return cls(data, values, labels)

    def batches(self, size: int, seed: int, skip: int) -> tf.data.Dataset:
        """Return endless shuffled batches, float32[size,1] and int32[size]."""
        scaled = ((self.values - self.mean) / self.scale).astype(np.float32)[:, None]
        return input.shuffled(scaled, self.labels, size, seed, skip)

    def sheet_labels(self) -> np.ndarray:
        """Return the labels of a sheet's samples, class after class: int32[SHEET_SAMPLES]."""
        return np.arange(SHEET_SAMPLES, dtype=np.int32) % max(1, self.data.classes)

    def real_sheet(self) -> np.ndarray:
        """Draw the histogram of real numbers: uint8[H,W,1]."""
        return self._histogram(self.values[:SHEET_SAMPLES])

    def draw(self, outputs: tf.Tensor) -> np.ndarray:
        """Draw the histogram of a generator's output, float32[N,1] -> uint8[H,W,1]."""
        return self._histogram(self.items(outputs))

    def items(self, outputs: tf.Tensor) -> np.ndarray:
        """Turn a generator's output into what the data hold: float32[N]."""
        return outputs.numpy()[:, 0] * self.scale + self.mean

    def _histogram(self, values: np.ndarray) -> np.ndarray:
        """Draw bars over the range of the real numbers and a quarter more on either side."""
        low, high = float(self.values.min()), float(self.values.max())
        margin = (high - low) / 4
        counts, _ = np.histogram(values, BINS, (low - margin, high + margin))
        tall = np.rint(counts / max(1, counts.max()) * HEIGHT).astype(int)
        bars = np.arange(HEIGHT)[::-1, None] < np.repeat(tall, BAR)[None]
        return (bars * 255).astype(np.uint8)[..., None]

    def module(
        self, network: keras.Model, noise: Callable[[tf.Tensor], tf.Tensor], classes: int
    ) -> ValueModule:
        """Wrap a generator for export; `classes` is 0 for an unconditional one."""
        return ValueModule(network, noise, classes, self.mean, self.scale)


class ValueModule(GeneratorModule):
    """A generator of numbers as it is served: seeds (and labels) in, `value: float32[B,1]` out."""

    dtype = tf.float32
    answers, items = "value: float32[B,1]", "numbers"

    def __init__(
        self,
        network: keras.Model,
        noise: Callable[[tf.Tensor], tf.Tensor],
        classes: int,
        mean: float,
        scale: float,
    ) -> None:
        super().__init__(network, noise, classes)
        self._mean, self._scale = mean, scale

    def _finish(self, outputs: tf.Tensor) -> tf.Tensor:
        """Bring the network's output, float64[B,1], to the data's scale: float32[B,1]."""
        return tf.cast(outputs * self._scale + self._mean, tf.float32)

    def signatures(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Return `serving_default` and `generate`."""
        generate = tf.function(lambda *a: {"value": self._answer(*a)}, input_signature=self.inputs)
        return {"serving_default": generate, "generate": generate}
