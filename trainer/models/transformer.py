"""Captioner with a small pre-norm Transformer decoder (Vaswani et al. 2017, Xiong et al. 2020).

Each block reads the words so far, then the grid, then thinks. While decoding, keys and values of
words already read are kept, so a word costs the same wherever it stands.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from keras import layers

from trainer.caption_family import CaptionFamily
from trainer.caption_network import Captioner
from trainer.caption_settings import CaptionModel
from trainer.errors import UserError

Pair = tuple[tf.Tensor, tf.Tensor]
"""Keys and values."""


class Block(layers.Layer):
    """One decoder block; `x` is [B,N,T,D] throughout."""

    def __init__(self, width: int, units: int, heads: int, name: str) -> None:
        super().__init__(name=name)
        self.width, self.heads, self.scale = width, heads, (width // heads) ** -0.5
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(3)]
        self.read = layers.Dense(3 * width, name="read")
        self.read_out = layers.Dense(width, name="read_out")
        self.look = layers.Dense(width, name="look")
        self.looked_at = layers.Dense(2 * width, name="looked_at")
        self.look_out = layers.Dense(width, name="look_out")
        self.think = layers.Dense(units, activation="gelu", name="think")
        self.think_out = layers.Dense(width, name="think_out")

    def remember(self, grid: tf.Tensor) -> Pair:
        """Keys and values of the grid, [B,P,D] each."""
        keys, values = tf.split(self.looked_at(grid), 2, axis=-1)
        return keys, values

    def words(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Queries, keys and values of the words, [B,N,T,D] each."""
        queries, keys, values = tf.split(self.read(self.norms[0](x)), 3, axis=-1)
        return queries, keys, values

    def past(self, queries: tf.Tensor, past: Pair, visible: tf.Tensor) -> tf.Tensor:
        """Attend to words, [B,N,K,D], where bool[T,K] says so."""
        q, k, v = (self._heads(x) for x in (queries, *past))
        energy = tf.einsum("bnqhd,bnkhd->bnhqk", q, k) * self.scale
        energy = tf.where(visible, energy, energy.dtype.min)
        out = tf.einsum("bnhqk,bnkhd->bnqhd", tf.nn.softmax(energy), v)
        return self.read_out(tf.reshape(out, tf.shape(queries)))

    def image(self, x: tf.Tensor, memory: Pair) -> Pair:
        """Attend to the grid: [B,N,T,D] and the heads' mean attention, [B,N,T,P]."""
        queries = self.look(self.norms[1](x))
        shape = tf.unstack(tf.shape(queries))
        # All sentences of an image in one row of queries: its keys are never copied.
        joined = tf.reshape(queries, [shape[0], shape[1] * shape[2], self.width])
        q, k, v = (self._heads(t) for t in (joined, *memory))
        attention = tf.nn.softmax(tf.einsum("bqhd,bphd->bhqp", q, k) * self.scale)
        out = tf.reshape(tf.einsum("bhqp,bphd->bqhd", attention, v), shape)
        mean = tf.reduce_mean(tf.cast(attention, tf.float32), axis=1)
        return self.look_out(out), tf.reshape(mean, [*shape[:3], memory[0].shape[1]])

    def feed_forward(self, x: tf.Tensor) -> tf.Tensor:
        """[B,N,T,D] -> the same."""
        return self.think_out(self.think(self.norms[2](x)))

    def _heads(self, x: tf.Tensor) -> tf.Tensor:
        shape = tf.unstack(tf.shape(x))[:-1]
        return tf.reshape(x, [*shape, self.heads, self.width // self.heads])


class Transformer(Captioner):
    """See `Captioner`; its state is (keys, values) of the words read, [B,N,T,D], per block."""

    def __init__(self, model: CaptionModel, *args: Any) -> None:
        super().__init__(model, *args)
        self.width = model.width
        self.embed = layers.Embedding(self.words, model.width, name="embed")
        self.time = layers.Embedding(self.length, model.width, name="time")
        self.blocks = [
            Block(model.width, model.units, model.heads, f"block_{n}") for n in range(model.blocks)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-6)
        self.score = layers.Dense(self.words, dtype="float32", name="score")

    def recall(self, grid: tf.Tensor) -> tuple[Pair, ...]:
        """See `Captioner`."""
        return tuple(block.remember(grid) for block in self.blocks)

    def teach(
        self, memory: tuple[Pair, ...], tokens: tf.Tensor, seed: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Captioner`."""
        time = tf.range(tf.shape(tokens)[2])
        x = self.dropout(self.embed(tokens) + self.time(time), seed, 1)
        causal = time[:, None] >= time[None]
        for n, (block, seen) in enumerate(zip(self.blocks, memory, strict=True)):
            queries, *past = block.words(x)
            x += self.dropout(block.past(queries, tuple(past), causal), seed, 10 * n + 10)
            looked, attention = block.image(x, seen)
            x += self.dropout(looked, seed, 10 * n + 11)
            x += self.dropout(block.feed_forward(x), seed, 10 * n + 12)
        return self.score(self.norm(x)), attention

    def begin(self, memory: tuple[Pair, ...], lanes: int) -> tuple[Pair, ...]:
        """See `Captioner`."""
        shape = [tf.shape(memory[0][0])[0], lanes, self.length, self.width]
        empty = tf.zeros(shape, self.compute_dtype)
        return tuple((empty, empty) for _ in self.blocks)

    def step(
        self, memory: tuple[Pair, ...], state: tuple[Pair, ...], tokens: tf.Tensor, position: Any
    ) -> tuple[tf.Tensor, tuple[Pair, ...]]:
        """See `Captioner`."""
        here = tf.equal(tf.range(self.length), position)
        visible = (tf.range(self.length) <= position)[None]
        x = (self.embed(tokens) + self.time(position))[:, :, None]
        kept = []
        for block, seen, past in zip(self.blocks, memory, state, strict=True):
            queries, *new = block.words(x)
            # The one new word is written over the cache's empty row at its position.
            now = tuple(tf.where(here[:, None], n, p) for n, p in zip(new, past, strict=True))
            kept.append(now)
            x += block.past(queries, now, visible)
            x += block.image(x, seen)[0]
            x += block.feed_forward(x)
        return self.score(self.norm(x))[:, :, 0], tuple(kept)


def check(model: CaptionModel) -> None:
    """Raise UserError when the heads cannot share the width evenly."""
    if model.width % model.heads:
        raise UserError(
            f"model.width is {model.width} and model.heads {model.heads}: "
            "give a width that is a multiple of the heads"
        )


FAMILY = CaptionFamily("transformer", Transformer, check)
