"""What a sentence costs: cross entropy per token, padding left out."""

from __future__ import annotations

import tensorflow as tf

from trainer.preprocessing import PAD


def split(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Take rows, int[..., T+1], apart: what is read, int32[..., T], and what should be said."""
    tokens = tf.cast(rows, tf.int32)
    return tokens[..., :-1], tokens[..., 1:]


def token_losses(logits: tf.Tensor, targets: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Nats per token.

    Args:
      logits: float32[..., T, V].
      targets: int32[..., T].
      smoothing: Share of the target's weight that all words have in common (Szegedy et al. 2016).

    Returns:
      float32[..., T]; 0 where the target is padding.
    """
    log_prob = tf.nn.log_softmax(logits)
    losses = -tf.gather(log_prob, targets, axis=-1, batch_dims=targets.shape.rank)
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * tf.reduce_mean(log_prob, axis=-1)
    return losses * mask(targets)


def mask(targets: tf.Tensor) -> tf.Tensor:
    """float32: 1 for words and ends, 0 for padding."""
    return tf.cast(tf.not_equal(targets, PAD), tf.float32)
