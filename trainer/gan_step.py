"""One adversarial update: two networks, their optimisers and the averaged generator.

All random draws are stateless functions of (seed, step), so a resumed run repeats an unbroken one.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainer import draw, runtime
from trainer.adam import FusedAdam
from trainer.augment import augment
from trainer.errors import UserError
from trainer.gan_settings import WITH_TARGETS, GanConfig
from trainer.losses import LOSSES, gradient_penalty, r1_penalty
from trainer.models.base import GanFamily

METRICS = (
    "loss_d",
    "loss_g",
    "accuracy_real",
    "accuracy_fake",
    "gradient_d",
    "gradient_g",
    "diversity",
)

# Streams of random numbers: each use draws from its own, so adding one leaves the others alone.
_NOISE_D, _NOISE_G, _AUGMENT_D, _AUGMENT_G = range(4)
_STREAMS = 4
_TARGETS, _MIX = 1 << 20, 1 << 21


class GanStep:
    """Updates `family`'s generator and discriminator.

    Attributes:
      step: int64 variable, generator updates done.
      images_per_step: Real images one step consumes.
      generator: Learns.
      discriminator: Learns.
      averaged: Exponential moving average of the generator: what is shown, judged and exported.
    """

    def __init__(self, config: GanConfig, family: GanFamily) -> None:
        train = config.train
        self._replicas = tf.distribute.get_strategy().num_replicas_in_sync
        group, share = config.model.minibatch_group, train.batch_size // self._replicas
        if group and share % group:
            raise UserError(
                f"train.batch_size gives each device {share} images and model.minibatch_group is "
                f"{group}: give a batch that is a multiple of {group * self._replicas}"
            )
        keras.utils.set_random_seed(train.seed)
        self.config = config
        self.step = tf.Variable(0, dtype=tf.int64, name="step", trainable=False)
        self.images_per_step = train.batch_size * train.discriminator_steps
        self.generator = family.generator(config.model, config.data)
        self.discriminator = family.discriminator(config.model, config.data)
        self.averaged = family.generator(config.model, config.data)
        self.averaged.set_weights(self.generator.get_weights())
        self.optimizer_g = self._adam(train.generator_learning_rate, self.generator)
        self.optimizer_d = self._adam(train.discriminator_learning_rate, self.discriminator)
        self.loss = LOSSES[train.loss]
        self._update = {"alternating": self._alternate, "simultaneous": self._at_once}[train.update]

    def _adam(self, rate: float, network: keras.Model) -> keras.optimizers.Optimizer:
        train = self.config.train
        adam = FusedAdam(
            rate,
            train.beta_1,
            train.beta_2,
            clipvalue=train.clip_value or None,
            global_clipnorm=train.clip_norm or None,
        )
        adam.build(network.trainable_variables)
        return adam

    def trackables(self) -> dict[str, Any]:
        """Everything a checkpoint must hold for training to go on as if never stopped."""
        names = ["step", "generator", "discriminator", "averaged", "optimizer_g", "optimizer_d"]
        return {name: getattr(self, name) for name in names}

    def __call__(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Update once: float32[N,...] and int32[N] -> float32[len(METRICS)]."""
        values = runtime.on_replicas(self._update, images, labels)
        self._average()
        self.step.assign_add(1)
        return values

    def _alternate(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Update the discriminator as often as asked, then the generator on new noise."""
        rounds = self.config.train.discriminator_steps
        parts = zip(tf.split(images, rounds), tf.split(labels, rounds), strict=True)
        for index, (real, label) in enumerate(parts):
            on_d = self._discriminator_step(real, label, index)
        loss_g, gradient_g, fake = self._generator_step(label)
        return self._metrics(on_d, loss_g, gradient_g, real, fake)

    def _discriminator_step(
        self, real: tf.Tensor, label: tf.Tensor, index: int
    ) -> tuple[tf.Tensor, ...]:
        network = self.discriminator
        batch = tf.shape(real)[0]
        fake = self.generator([self._latent(_NOISE_D, batch, index), label], training=True)
        real = augment(real, self.config.train, self._seed(_AUGMENT_D, index))
        fake = augment(fake, self.config.train, self._seed(_AUGMENT_D, index + 32))
        with tf.GradientTape() as tape:
            both = network([tf.concat([real, fake], 0), tf.concat([label] * 2, 0)], training=True)
            on_real, on_fake = both[:batch], both[batch:]
            loss = self._discriminator_loss(on_real, on_fake, index)
            loss += self._penalties(real, fake, label, index)
        gradients = tape.gradient(loss, network.trainable_variables)
        self._apply(self.optimizer_d, gradients, network)
        return loss, on_real, on_fake, tf.linalg.global_norm(gradients)

    def _generator_step(self, label: tf.Tensor) -> tuple[tf.Tensor, ...]:
        network = self.generator
        noise = self._latent(_NOISE_G, tf.shape(label)[0])
        with tf.GradientTape() as tape:
            fake = network([noise, label], training=True)
            seen = augment(fake, self.config.train, self._seed(_AUGMENT_G))
            loss = self.loss.generator(self.discriminator([seen, label], training=False))
        gradients = tape.gradient(loss, network.trainable_variables)
        self._apply(self.optimizer_g, gradients, network)
        return loss, tf.linalg.global_norm(gradients), fake

    def _at_once(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Update both networks from one pass over the same samples."""
        train, batch = self.config.train, tf.shape(images)[0]
        real = augment(images, train, self._seed(_AUGMENT_D))
        with tf.GradientTape() as tape_g, tf.GradientTape() as tape_d:
            fake = self.generator([self._latent(_NOISE_G, batch), labels], training=True)
            seen = augment(fake, train, self._seed(_AUGMENT_G))
            on_real = self.discriminator([real, labels], training=True)
            on_fake = self.discriminator([seen, labels], training=True)
            loss_d = self._discriminator_loss(on_real, on_fake, 0)
            loss_d += self._penalties(real, tf.stop_gradient(seen), labels, 0)
            loss_g = self.loss.generator(on_fake)
        gradients_d = tape_d.gradient(loss_d, self.discriminator.trainable_variables)
        gradients_g = tape_g.gradient(loss_g, self.generator.trainable_variables)
        self._apply(self.optimizer_d, gradients_d, self.discriminator)
        self._apply(self.optimizer_g, gradients_g, self.generator)
        on_d = (loss_d, on_real, on_fake, tf.linalg.global_norm(gradients_d))
        return self._metrics(on_d, loss_g, tf.linalg.global_norm(gradients_g), images, fake)

    def _metrics(
        self,
        on_d: tuple[tf.Tensor, ...],
        loss_g: tf.Tensor,
        gradient_g: tf.Tensor,
        real: tf.Tensor,
        fake: tf.Tensor,
    ) -> tf.Tensor:
        loss_d, on_real, on_fake, gradient_d = on_d
        share = lambda right: tf.reduce_mean(tf.cast(right, tf.float32))  # noqa: E731
        middle = 0.5 if self.config.train.loss == "least_squares" else 0.0
        right = share(on_real > middle), share(on_fake < middle)
        spread = lambda x: tf.reduce_mean(tf.math.reduce_std(x, axis=0))  # noqa: E731
        diversity = spread(fake) / (spread(real) + 1e-6)
        return tf.stack([loss_d, loss_g, *right, gradient_d, gradient_g, diversity])

    def _discriminator_loss(self, real: tf.Tensor, fake: tf.Tensor, index: int) -> tf.Tensor:
        train = self.config.train
        if train.loss not in WITH_TARGETS:
            return self.loss.discriminator(real, fake)
        inwards = [0.0, 0.0]
        if train.soft_labels:
            drawn = draw.uniform(tf.shape(real)[0], [2], self._seed(_TARGETS, index))
            inwards = tf.unstack(train.soft_labels * drawn, axis=1)
        real_target = 1.0 - train.label_smoothing - inwards[0]
        return self.loss.discriminator(real, fake, real_target, inwards[1])

    def _penalties(
        self, real: tf.Tensor, fake: tf.Tensor, label: tf.Tensor, index: int
    ) -> tf.Tensor:
        train = self.config.train
        total = tf.constant(0.0)
        if train.gradient_penalty:
            mix = draw.uniform(tf.shape(real)[0], [], self._seed(_MIX, index))
            penalty = gradient_penalty(self._judge(label), real, fake, mix)
            total += train.gradient_penalty * penalty
        return total + self._lazy_r1(real, label) if train.r1_gamma else total

    def _lazy_r1(self, real: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        """R1 every `r1_interval` steps, scaled up by the interval (Karras et al. 2020, app. B)."""
        train = self.config.train
        due = tf.equal(self.step % train.r1_interval, 0)
        scale = train.r1_gamma * train.r1_interval
        return tf.cond(due, lambda: scale * r1_penalty(self._judge(label), real), lambda: 0.0)

    def _judge(self, label: tf.Tensor) -> Any:
        return lambda x: self.discriminator([x, label], training=True)

    def _apply(self, optimizer: Any, gradients: list[tf.Tensor], network: keras.Model) -> None:
        """Update; optimisers sum over replicas, and losses are means over a replica's share."""
        if self._replicas > 1:
            gradients = [tf.convert_to_tensor(each) / self._replicas for each in gradients]
        optimizer.apply(gradients, network.trainable_variables)

    def _average(self) -> None:
        """Move the averaged weights, batch statistics included, towards the present ones.

        The decay is 0.5^(images per step / half-life); the half-life is at most a twentieth of
        the images seen so far, so that a short run does not score its own initialisation.
        """
        batch = float(self.config.train.batch_size)
        seen = tf.cast(self.step + 1, tf.float32) * batch
        half_life = tf.minimum(float(self.config.train.ema_half_life), 0.05 * seen)
        keep = 0.5 ** (batch / half_life)
        for old, new in zip(self.averaged.weights, self.generator.weights, strict=True):
            if old.dtype == "float32":
                old.assign(new + (old - new) * keep)

    def gradients(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, list[tf.Tensor]]:
        """Return both networks' gradients on a batch, one tensor per weight; nothing is updated."""
        noise = self._latent(_NOISE_G, tf.shape(labels)[0])
        with tf.GradientTape() as tape_g, tf.GradientTape() as tape_d:
            fake = self.generator([noise, labels], training=False)
            on_real = self.discriminator([images, labels], training=False)
            on_fake = self.discriminator([fake, labels], training=False)
            loss_d = self._discriminator_loss(on_real, on_fake, 0)
            loss_g = self.loss.generator(on_fake)
        return {
            "discriminator": tape_d.gradient(loss_d, self.discriminator.trainable_variables),
            "generator": tape_g.gradient(loss_g, self.generator.trainable_variables),
        }

    def _seed(self, stream: int, index: int = 0) -> tf.Tensor:
        salt = self.config.train.seed * _STREAMS * 64 + index * _STREAMS + stream
        return tf.stack([self.step, tf.constant(salt, tf.int64)])

    def _latent(self, stream: int, batch: tf.Tensor, index: int = 0) -> tf.Tensor:
        return draw.normal(batch, [self.config.model.latent_size], self._seed(stream, index))
