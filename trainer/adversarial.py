"""The adversarial task: two networks, their optimisers, the averaged generator and one step.

The training loop knows only what `trainer.loop.Task` names; families supply the networks. All
random draws are stateless functions of (seed, step), so a resumed run repeats an unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer import export, input
from trainer.augment import translate
from trainer.export import GeneratorModule
from trainer.gan_settings import GanConfig
from trainer.input import Images, to_uint8
from trainer.logs import RunFolder, sheet
from trainer.losses import LOSSES, r1_penalty
from trainer.models.base import GanFamily

SHEET_COLUMNS = 10

# Streams of random numbers: each use draws from its own, so adding one leaves the others alone.
_NOISE_D, _NOISE_G, _SHIFT_D, _SHIFT_G, _STREAMS = range(5)


class AdversarialTask:
    """Trains `family`'s generator against its discriminator.

    Attributes:
      step: int64 variable, generator updates done.
      images_per_step: Real images one step consumes.
      examples: Training images there are.
      metric_names: Names of the values that `train` returns.
    """

    metric_names = (
        "loss_d",
        "loss_g",
        "accuracy_real",
        "accuracy_fake",
        "gradient_d",
        "gradient_g",
    )

    def __init__(self, config: GanConfig, family: GanFamily, data: Images) -> None:
        train = config.train
        self.data, self.examples = data, len(data.labels)
        keras.utils.set_random_seed(train.seed)
        self.config, self.conditional = config, family.conditional
        self.step = tf.Variable(0, dtype=tf.int64, name="step")
        self.images_per_step = train.batch_size * train.discriminator_steps
        self.generator = family.generator(config.model, config.data)
        self.discriminator = family.discriminator(config.model, config.data)
        self.averaged = family.generator(config.model, config.data)
        self.averaged.set_weights(self.generator.get_weights())
        self.optimizer_g = self._adam(train.generator_learning_rate, self.generator)
        self.optimizer_d = self._adam(train.discriminator_learning_rate, self.discriminator)
        self.loss = LOSSES[train.loss]

    def _adam(self, rate: float, network: keras.Model) -> keras.optimizers.Optimizer:
        train = self.config.train
        adam = keras.optimizers.Adam(rate, train.beta_1, train.beta_2)
        adam.build(network.trainable_variables)
        return adam

    def trackables(self) -> dict[str, Any]:
        """Everything a checkpoint must hold for training to go on as if never stopped."""
        names = ["step", "generator", "discriminator", "averaged", "optimizer_g", "optimizer_d"]
        return {name: getattr(self, name) for name in names}

    def noise(self, seeds: tf.Tensor) -> tf.Tensor:
        """Draw one latent vector per seed: int64[B] -> float32[B, latent_size].

        A seed's vector depends on that seed alone, never on the batch around it.
        """
        size = self.config.model.latent_size
        draw = lambda seed: tf.random.stateless_normal([size], tf.stack([seed, seed]))  # noqa: E731
        return tf.map_fn(draw, seeds, fn_output_signature=tf.TensorSpec([size], tf.float32))

    def batches(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield shuffled batches from the present step on."""
        seed, step = self.config.train.seed, int(self.step)
        return iter(input.batches(self.data, self.images_per_step, seed, step))

    def trouble(self, values: dict[str, float]) -> str:
        """Say why training should stop; empty while all is well."""
        return ""

    def validate(self) -> dict[str, float]:
        """Return figures on held-out data."""
        return {}

    def report(self, logs: RunFolder) -> None:
        """Write what belongs beside a sheet."""

    def real_sheet(self) -> np.ndarray:
        """Lay out real images like the samples, a class per row: uint8[H,W,C]."""
        columns, data = SHEET_COLUMNS, self.config.data
        if not data.classes:
            return sheet(self.data.images[: columns * columns], columns)
        rows = [self.data.images[self.data.labels == n][:columns] for n in range(data.classes)]
        blank = np.zeros((columns, *data.image_shape), np.uint8)
        filled = [np.concatenate([row, blank])[:columns] for row in rows]
        return sheet(np.concatenate(filled), columns)

    def sheet(self) -> np.ndarray:
        """Draw the averaged generator's images of fixed noise: uint8[H,W,C], a class per row."""
        rows = self.config.data.classes or SHEET_COLUMNS
        seeds = tf.range(rows * SHEET_COLUMNS, dtype=tf.int64)
        labels = tf.cast(seeds // SHEET_COLUMNS, tf.int32)
        images = self.averaged([self.noise(seeds), labels], training=False)
        return sheet(to_uint8(tf.cast(images, tf.float32)).numpy(), SHEET_COLUMNS)

    def module(self) -> GeneratorModule:
        """Wrap the averaged generator for export."""
        classes = self.config.data.classes if self.conditional else 0
        return GeneratorModule(self.averaged, self.noise, classes)

    def save(self, folder: str, seconds: float) -> None:
        """Export the averaged generator with its card."""
        card = export.card(self.config, self.examples, seconds)
        export.save(self.module(), folder, self.config, card)

    @tf.function
    def train(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]], count: tf.Tensor) -> tf.Tensor:
        """Run `count` (int32 scalar) steps in one graph call.

        Args:
          batches: Yields float32[N,H,W,C] images in [-1, 1] and int32[N] labels, N being
            `images_per_step`.
          count: How many steps.

        Returns:
          float32[len(metric_names)]: means over these steps.
        """
        totals = tf.zeros([len(self.metric_names)])
        for _ in tf.range(count):
            images, labels = next(batches)
            totals += self._one_step(images, labels)
        return totals / tf.cast(count, tf.float32)

    def _one_step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        rounds = self.config.train.discriminator_steps
        parts = zip(tf.split(images, rounds), tf.split(labels, rounds), strict=True)
        for index, (real, label) in enumerate(parts):
            discriminator_metrics = self._discriminator_step(real, label, index)
        loss_g, gradient_g = self._generator_step(label)
        self._average()
        self.step.assign_add(1)
        loss_d, accuracy_real, accuracy_fake, gradient_d = discriminator_metrics
        return tf.stack([loss_d, loss_g, accuracy_real, accuracy_fake, gradient_d, gradient_g])

    def _discriminator_step(
        self, real: tf.Tensor, label: tf.Tensor, index: int
    ) -> tuple[tf.Tensor, ...]:
        train, network = self.config.train, self.discriminator
        batch = tf.shape(real)[0]
        fake = self.generator([self._latent(_NOISE_D, batch, index), label], training=True)
        both = translate(tf.concat([real, fake], 0), train.translation, self._seed(_SHIFT_D, index))
        with tf.GradientTape() as tape:
            logits = network([both, tf.concat([label, label], 0)], training=True)
            on_real, on_fake = logits[:batch], logits[batch:]
            loss = self.loss.discriminator(on_real, on_fake)
            if train.r1_gamma:
                loss += self._lazy_r1(both[:batch], label)
        gradients = tape.gradient(loss, network.trainable_variables)
        self.optimizer_d.apply(gradients, network.trainable_variables)
        share = lambda right: tf.reduce_mean(tf.cast(right, tf.float32))  # noqa: E731
        return loss, share(on_real > 0), share(on_fake < 0), tf.linalg.global_norm(gradients)

    def _lazy_r1(self, real: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """R1 every `r1_interval` steps, scaled up by the interval (Karras et al. 2020, app. B)."""
        train = self.config.train
        due = tf.equal(self.step % train.r1_interval, 0)
        scale = train.r1_gamma * train.r1_interval
        logits = lambda x: self.discriminator([x, label], training=True)  # noqa: E731
        return tf.cond(due, lambda: scale * r1_penalty(logits, real), lambda: 0.0)

    def _generator_step(self, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        network = self.generator
        noise = self._latent(_NOISE_G, tf.shape(label)[0])
        with tf.GradientTape() as tape:
            fake = network([noise, label], training=True)
            fake = translate(fake, self.config.train.translation, self._seed(_SHIFT_G))
            loss = self.loss.generator(self.discriminator([fake, label], training=False))
        gradients = tape.gradient(loss, network.trainable_variables)
        self.optimizer_g.apply(gradients, network.trainable_variables)
        return loss, tf.linalg.global_norm(gradients)

    def _average(self) -> None:
        """Move the averaged weights, batch statistics included, towards the present ones.

        The decay is 0.5^(images per step / half-life); the half-life is at most a twentieth of
        the images seen so far, so that a short run does not score its own initialisation.
        """
        seen = tf.cast(self.step + 1, tf.float32) * float(self.config.train.batch_size)
        half_life = tf.minimum(float(self.config.train.ema_half_life), 0.05 * seen)
        keep = 0.5 ** (float(self.config.train.batch_size) / half_life)
        for old, new in zip(self.averaged.weights, self.generator.weights, strict=True):
            if old.dtype == "float32":
                old.assign(new + (old - new) * keep)

    def _seed(self, stream: int, index: int = 0) -> tf.Tensor:
        salt = self.config.train.seed * _STREAMS * 64 + index * _STREAMS + stream
        return tf.stack([self.step, tf.constant(salt, tf.int64)])

    def _latent(self, stream: int, batch: tf.Tensor, index: int = 0) -> tf.Tensor:
        size = [batch, self.config.model.latent_size]
        return tf.random.stateless_normal(size, self._seed(stream, index))
