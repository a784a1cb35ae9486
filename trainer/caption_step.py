"""One update of a captioner: teacher forcing over whole sentences, masked, clipped, scheduled."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from trainer import caption_losses, runtime
from trainer.caption_network import Captioner
from trainer.caption_settings import CaptionTrain

METRICS = ("loss", "accuracy", "gradient", "learning_rate")


class CaptionStep:
    """A captioner, its optimiser and the update; everything random follows from (seed, step).

    Attributes:
      step: int64 variable, updates done.
    """

    def __init__(self, captioner: Captioner, train: CaptionTrain) -> None:
        self.captioner, self.settings = captioner, train
        self.step = tf.Variable(0, dtype=tf.int64, name="step", trainable=False)
        warmup = min(train.warmup_steps, train.steps - 1)
        self.rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else train.learning_rate,
            train.steps - warmup,
            warmup_target=train.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        self.optimizer = keras.optimizers.AdamW(
            self.rate, weight_decay=train.weight_decay, beta_2=0.98, epsilon=1e-8
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(captioner.trainable_variables)

    def trackables(self) -> dict[str, Any]:
        """Everything a checkpoint must hold for training to go on as if never stopped."""
        names = ["step", "captioner", "optimizer"]
        return {name: getattr(self, name) for name in names}

    def __call__(self, images: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Update once: images or cached features and int32[B,N,L] -> float32[len(METRICS)]."""
        values = runtime.on_replicas(self._update, images, rows)
        self.step.assign_add(1)
        return values

    def _update(self, images: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        replica, replicas = runtime.replica()
        number = self.step * replicas + tf.cast(replica, tf.int64)
        seed = tf.stack([number, tf.constant(self.settings.seed, tf.int64)])
        read, targets = caption_losses.split(rows)
        with tf.GradientTape() as tape:
            memory = self.captioner.remember(images, training=True, seed=seed)
            logits, _ = self.captioner.teach(memory, read, seed)
            share = caption_losses.mask(targets) / _per_replica(targets)
            smoothing = self.settings.label_smoothing
            losses = caption_losses.token_losses(logits, targets, smoothing)
            objective = tf.reduce_sum(losses * share)
        gradients = tape.gradient(objective, self.captioner.trainable_variables)
        gradients, norm = tf.clip_by_global_norm(gradients, self.settings.clip_norm)
        # Keras sums the replicas' gradients; the mean is wanted.
        mean = [tf.math.scalar_mul(1 / replicas, gradient) for gradient in gradients]
        rate = self.rate(self.optimizer.iterations)
        self.optimizer.apply(mean, self.captioner.trainable_variables)
        loss = tf.reduce_sum(caption_losses.token_losses(logits, targets) * share)
        right = tf.equal(tf.argmax(logits, -1, tf.int32), targets)
        accuracy = tf.reduce_sum(tf.cast(right, tf.float32) * share)
        return tf.stack([loss, accuracy, norm, tf.cast(rate, tf.float32)])


def _per_replica(targets: tf.Tensor) -> tf.Tensor:
    """Tokens in the whole batch per replica: so a token weighs the same wherever it lands."""
    count = tf.reduce_sum(caption_losses.mask(targets))
    context = tf.distribute.get_replica_context()
    return tf.maximum(context.all_reduce(tf.distribute.ReduceOp.MEAN, count), 1.0)
