"""Captioner with additive attention over the grid and a GRU (Bahdanau 2015, Xu et al. 2015).

Before each word the state asks the grid where to look; the glimpse and the last word feed the GRU.
What does not depend on the state (keys, embeddings, word scores) is computed for all words at once;
only the recurrence itself is a loop, inside the graph.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import layers

from trainer.caption_family import CaptionFamily
from trainer.caption_network import Captioner
from trainer.caption_settings import CaptionModel

Seen = tuple[tf.Tensor, tf.Tensor]
"""Grid features, [B,P,D], and their keys, [B,P,A]."""


class AttentionGru(Captioner):
    """See `Captioner`; its state is the GRU's, [B,N,U]."""

    def __init__(self, model: CaptionModel, *args: Any) -> None:
        super().__init__(model, *args)
        self.units = model.units
        self.embed = layers.Embedding(self.words, model.width, name="embed")
        self.keys = layers.Dense(model.units, name="keys")
        self.query = layers.Dense(model.units, name="query")
        self.energy = layers.Dense(1, name="energy")
        self.cell = layers.GRUCell(model.units, name="cell")
        self.hidden = layers.Dense(model.units, name="hidden")
        self.score = layers.Dense(self.words, dtype="float32", name="score")

    def recall(self, grid: tf.Tensor) -> Seen:
        """See `Captioner`."""
        return grid, self.keys(grid)

    def teach(
        self, memory: Seen, tokens: tf.Tensor, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Captioner`."""
        embedded = self.dropout(self.embed(tokens), seed, 1)
        state = self.begin(memory, tokens.shape[1] or tf.shape(tokens)[1])
        looked = tf.zeros([*_leading(state), memory[0].shape[1]])
        states, attention = tf.scan(
            lambda last, word: self._advance(memory, last[0], word),
            tf.transpose(embedded, [2, 0, 1, 3]),
            initializer=(state, looked),
        )
        states, attention = (tf.transpose(x, [1, 2, 0, 3]) for x in (states, attention))
        return self._score(states, seed), attention

    def begin(self, memory: Seen, lanes: int) -> tf.Tensor:
        """See `Captioner`."""
        return tf.zeros([tf.shape(memory[0])[0], lanes, self.units], self.compute_dtype)

    def step(
        self, memory: Seen, state: tf.Tensor, tokens: tf.Tensor, position: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Captioner`."""
        state, _ = self._advance(memory, state, self.embed(tokens))
        return self._score(state), state

    def _advance(
        self, memory: Seen, state: tf.Tensor, word: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Look, then read one embedded word per sentence, [B,N,W]."""
        grid, keys = memory
        energy = self.energy(tf.tanh(keys[:, None] + self.query(state)[:, :, None]))
        attention = tf.nn.softmax(tf.cast(energy[..., 0], tf.float32))
        glimpse = tf.matmul(tf.cast(attention, grid.dtype), grid)
        rows = tf.concat([glimpse, word], axis=-1)
        flat = tf.reshape(rows, [-1, grid.shape[-1] + word.shape[-1]])
        after, _ = self.cell(flat, [tf.reshape(state, [-1, self.units])])
        return tf.reshape(after, tf.shape(state)), attention

    def _score(self, states: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        return self.score(self.dropout(self.hidden(states), seed, 2))


def _leading(state: tf.Tensor) -> list[Any]:
    return [tf.shape(state)[0], state.shape[1] or tf.shape(state)[1]]


FAMILY = CaptionFamily("attention_gru", AttentionGru)
