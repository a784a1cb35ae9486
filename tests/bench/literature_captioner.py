"""The captioning loop of the literature, written down plainly: what the benchmark compares with.

Attention over cached features, a GRU, teacher forcing: word by word in Python, keys of the grid
anew for every word, losses added up per word, one sentence at a time when it speaks.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

START, END = 1, 2


class Attention(layers.Layer):
    """score = V tanh(W1 grid + W2 state) (Bahdanau et al. 2015)."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.w1, self.w2, self.v = layers.Dense(units), layers.Dense(units), layers.Dense(1)

    def call(self, grid: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        energy = self.v(tf.nn.tanh(self.w1(grid) + self.w2(tf.expand_dims(state, 1))))
        return tf.reduce_sum(tf.nn.softmax(energy, axis=1) * grid, axis=1)


class Decoder(layers.Layer):
    """Reads one word and says the next."""

    def __init__(self, width: int, units: int, words: int) -> None:
        super().__init__()
        self.units = units
        self.embed = layers.Embedding(words, width)
        self.attention = Attention(units)
        self.gru = layers.GRU(units, return_sequences=True, return_state=True)
        self.hidden, self.score = layers.Dense(units), layers.Dense(words)

    def call(
        self, word: tf.Tensor, grid: tf.Tensor, state: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        context = self.attention(grid, state)
        x = tf.concat([tf.expand_dims(context, 1), self.embed(word)], axis=-1)
        output, state = self.gru(x, initial_state=state)
        flat = tf.reshape(self.hidden(output), [-1, self.units])
        return self.score(flat), state


def trainer(width: int, units: int, words: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Make the training step: features float32[B,P,F] and rows int32[B,T] to the loss."""
    encoder = layers.Dense(width, activation="relu")
    decoder = Decoder(width, units, words)
    optimizer = keras.optimizers.Adam()
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def loss_of(real: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
        losses = cross_entropy(real, predicted)
        return tf.reduce_mean(losses * tf.cast(tf.not_equal(real, 0), losses.dtype))

    def step(features: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        loss = 0.0
        state = tf.zeros([rows.shape[0], units])
        word = rows[:, :1]
        with tf.GradientTape() as tape:
            grid = encoder(features)
            for position in range(1, rows.shape[1]):
                predicted, state = decoder(word, grid, state)
                loss += loss_of(rows[:, position], predicted)
                word = tf.expand_dims(rows[:, position], 1)
        variables = encoder.trainable_variables + decoder.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def greedy(captioner, image: tf.Tensor) -> list[int]:
    """Say one image's most probable words, calling the decoder for each: uint8[1,S,S,3]."""
    memory = captioner.remember(image)
    state, word, said = captioner.begin(memory, 1), tf.constant([[START]]), []
    for position in range(captioner.length):
        logits, state = captioner.step(memory, state, word, tf.constant(position))
        found = int(np.argmax(_allowed(logits[0, 0].numpy())))
        said.append(found)
        if found == END:
            break
        word = tf.constant([[found]])
    return said


def beam(captioner, image: tf.Tensor, width: int) -> list[int]:
    """Search with `width` hypotheses in a Python list, calling the decoder for each of them."""
    memory = captioner.remember(image)
    found = [([START], 0.0, captioner.begin(memory, 1))]
    for position in range(captioner.length):
        longer = []
        for said, score, state in found:
            if said[-1] == END:
                longer.append((said, score, state))
                continue
            word = tf.constant([[said[-1]]])
            logits, after = captioner.step(memory, state, word, tf.constant(position))
            row = _allowed(tf.nn.log_softmax(logits[0, 0]).numpy())
            for token in np.argsort(row)[-width:].tolist():
                longer.append(([*said, token], score + float(row[token]), after))
        found = sorted(longer, key=lambda item: -item[1])[:width]
        if all(said[-1] == END for said, _, _ in found):
            break
    return found[0][0][1:]


def _allowed(row: np.ndarray) -> np.ndarray:
    row = row.copy()
    row[[0, 1, 3]] = -np.inf
    return row
