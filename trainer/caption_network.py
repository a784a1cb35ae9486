"""What every captioner is: an encoder that sees a grid, and a decoder that says word after word.

Shapes: B images, N sentences per image side by side (beams, or several captions of one image), T
tokens, P grid positions, V words. What belongs to an image is kept once however many sentences
look at it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from trainer.caption_settings import CaptionModel
from trainer.input import to_float

State = Any
"""Nested tensors with leading dimensions [B, N]: what a sentence's past leaves to its next word."""

Memory = Any
"""Nested tensors with leading dimension [B]: what the decoder keeps of an image."""


class Captioner(layers.Layer, ABC):
    """Base of the families.

    Attributes:
      encoder: float32[B,S,S,3] in [-1, 1] -> [B,h,w,C].
      grid: (h, w).
      words: V, the four reserved tokens included.
      length: Most tokens that a sentence has after its start token, the end included.
    """

    def __init__(
        self, model: CaptionModel, encoder: keras.Model, words: int, length: int, dropout: float
    ) -> None:
        super().__init__(name="captioner")
        self.encoder, self.words, self.length = encoder, words, length
        self.grid: tuple[int, int] = tuple(encoder.output_shape[1:3])
        self._dropout_rate = dropout
        self.project = layers.Dense(model.width, activation="relu", name="project")
        self.place = layers.Embedding(self.grid[0] * self.grid[1], model.width, name="place")

    def remember(
        self, images: tf.Tensor, training: bool = False, seed: tf.Tensor | None = None
    ) -> Memory:
        """Look at images, once for all their words.

        Args:
          images: uint8[B,S,S,3], or of another type: what the encoder made of them, [B,h,w,C].
          training: Of the encoder.
          seed: int64[2] of the dropout; None: no dropout.
        """
        if images.dtype == tf.uint8:
            images = self.encoder(to_float(images), training=training)
        return self.remember_features(tf.cast(images, self.compute_dtype), seed)

    def remember_features(self, features: tf.Tensor, seed: tf.Tensor | None = None) -> Memory:
        """Go on from the encoder's output, [B,h,w,C]."""
        positions = self.grid[0] * self.grid[1]
        flat = tf.reshape(features, [-1, positions, features.shape[-1]])
        seen = self.project(flat) + self.place(tf.range(positions))
        return self.recall(self.dropout(seen, seed, 0))

    def dropout(self, x: tf.Tensor, seed: tf.Tensor | None, salt: int) -> tf.Tensor:
        """Drop parts of `x`; None as the seed drops nothing.

        Stateless: what is dropped follows from seed and salt, so that a resumed training repeats
        an unbroken one.
        """
        if seed is None or not self._dropout_rate:
            return x
        own = tf.random.experimental.stateless_fold_in(seed, salt)
        return tf.nn.experimental.stateless_dropout(x, self._dropout_rate, own)

    @abstractmethod
    def recall(self, grid: tf.Tensor) -> Memory:
        """Turn grid features, [B,P,D], into what the decoder will look at."""

    @abstractmethod
    def teach(self, memory: Memory, tokens: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Score every next word of given sentences, in one graph for all words.

        Args:
          memory: Of B images.
          tokens: int32[B,N,T], each sentence from its start token on.
          seed: int64[2] of the dropout; None: no dropout.

        Returns:
          float32[B,N,T,V] logits of the token after each position, and float32[B,N,T,P], where
          the decoder looked; its rows sum to one.
        """

    @abstractmethod
    def begin(self, memory: Memory, lanes: int) -> State:
        """Return the state before the start token for `lanes` sentences per image."""

    @abstractmethod
    def step(
        self, memory: Memory, state: State, tokens: tf.Tensor, position: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        """Read one token per sentence and score the next.

        Args:
          memory: Of B images.
          state: As `begin` or the last `step` returned it.
          tokens: int32[B,N].
          position: int32 scalar, tokens read before; the start token's is 0.

        Returns:
          float32[B,N,V] logits, equal to `teach`'s at that position, and the new state.
        """


def build(captioner: Captioner) -> Captioner:
    """Create all weights, by a first call on nothing in particular."""
    height, width, channels = captioner.encoder.output_shape[1:]
    memory = captioner.remember_features(tf.zeros([1, height, width, channels]))
    captioner.teach(memory, tf.zeros([1, 1, 2], tf.int32))
    captioner.built = True
    return captioner
