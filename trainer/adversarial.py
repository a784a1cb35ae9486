"""The adversarial task: what the training loop asks of a generator and its discriminator.

Families supply the networks, `gan_step` the update, a medium (`pictures`) the data.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from trainer import export, runtime, warm_start
from trainer.errors import UserError
from trainer.export import GeneratorModule
from trainer.gan_settings import GanConfig
from trainer.gan_step import METRICS, GanStep
from trainer.logs import RunFolder
from trainer.models.base import GanFamily
from trainer.pictures import Pictures
from trainer.watch import Watcher

VALIDATION_SAMPLES = 2000
VALIDATION_SEED = 1 << 40
"""First seed of samples scored while training: far from any that a later verdict uses."""


class AdversarialTask(GanStep):
    """Trains `family`'s generator against its discriminator on `medium`.

    Attributes:
      examples: Training examples there are.
      metric_names: Names of the values that `train` returns.
    """

    metric_names = METRICS

    def __init__(self, config: GanConfig, family: GanFamily, medium: Pictures) -> None:
        super().__init__(config, family)
        self.medium, self.examples = medium, medium.examples
        self.conditional = family.conditional
        self._watcher = Watcher(config.train)
        self._gradients = tf.function(self.gradients)
        self._scorer = self._make_scorer() if config.train.validate_every else None

    def _make_scorer(self) -> Callable[[np.ndarray], dict[str, float]]:
        """Make what scores samples: named by the settings, as nothing here may import it."""
        if not self.config.scorer:
            raise UserError(
                "train.validate_every asks for scores while training and this recipe's evaluation "
                "has no feature extractor: set train.validate_every=0"
            )
        module, _, name = self.config.scorer.partition(":")
        scorer = getattr(importlib.import_module(module), name)
        return scorer(self.config.extractor, self.medium.split.images)

    def noise(self, seeds: tf.Tensor) -> tf.Tensor:
        """Draw one latent vector per seed: int64[B] -> float32[B, latent_size].

        A seed's vector depends on that seed alone, never on the batch around it.
        """
        size = self.config.model.latent_size
        draw = lambda seed: tf.random.stateless_normal([size], tf.stack([seed, seed]))  # noqa: E731
        return tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([size], tf.float32))

    def batches(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield shuffled batches from the present step on."""
        seed, step = self.config.train.seed, int(self.step.numpy())
        return runtime.batches(self.medium.batches(self.images_per_step, seed, step))

    @tf.function
    def train(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]], count: tf.Tensor) -> tf.Tensor:
        """Run `count` (int32 scalar) steps in one graph call.

        Args:
          batches: Yields float32[N,...] items and int32[N] labels, N being `images_per_step`.
          count: How many steps.

        Returns:
          float32[len(metric_names)]: means over these steps.
        """
        one_step = tf.function(self.__call__, jit_compile=True) if self.config.train.jit else self
        totals = tf.zeros([len(self.metric_names)])
        for _ in tf.range(count):
            images, labels = next(batches)
            totals += one_step(images, labels)
        return totals / tf.cast(count, tf.float32)

    def trouble(self, values: dict[str, float]) -> str:
        """Say why training should stop; empty while all is well."""
        return self._watcher.trouble(int(self.step.numpy()), values)

    def validate(self) -> dict[str, float]:
        """Score samples of the averaged generator, always of the same seeds."""
        assert self._scorer is not None
        seeds = tf.range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_SAMPLES, dtype=tf.int64)
        labels = tf.cast(seeds % max(1, self.config.data.classes), tf.int32)
        return self._scorer(self.medium.items(self._samples(seeds, labels)))

    @tf.function(reduce_retracing=True)
    def _samples(self, seeds: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return self.averaged([self.noise(seeds), labels], training=False)

    def sheet(self) -> np.ndarray:
        """Draw the averaged generator's items of fixed noise: uint8[H,W,C], a class per row."""
        labels = self.medium.sheet_labels()
        seeds = tf.range(len(labels), dtype=tf.int64)
        return self.medium.draw(self._samples(seeds, tf.constant(labels)))

    def real_sheet(self) -> np.ndarray:
        """Lay out real items like the samples."""
        return self.medium.real_sheet()

    def report(self, logs: RunFolder) -> None:
        """Write histograms of both networks' gradients on the first batch of the data."""
        size, step = self.config.train.batch_size, int(self.step.numpy())
        images, labels = next(iter(self.medium.batches(size, 0, 0)))
        networks = {"discriminator": self.discriminator, "generator": self.generator}
        for name, gradients in self._gradients(images, labels).items():
            for weight, values in zip(networks[name].trainable_variables, gradients, strict=True):
                logs.histogram(f"gradients/{name}/{weight.path}", step, values)

    def module(self) -> GeneratorModule:
        """Wrap the averaged generator for export."""
        classes = self.config.data.classes if self.conditional else 0
        return self.medium.module(self.averaged, self.noise, classes)

    def save(self, folder: str, seconds: float) -> None:
        """Export the averaged generator with its card."""
        module = self.module()
        step = int(self.step.numpy())
        card = export.card(self.config, module, step, self.examples, seconds)
        export.save(module, folder, self.config, card)
        warm_start.save(self, folder)
