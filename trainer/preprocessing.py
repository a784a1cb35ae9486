"""Captions to token rows and back: the same graph code in Transform, training and serving.

Normalisation, in this order: bytes that are no UTF-8 are replaced; lower case; apostrophes inside
a word go ("don't" is "dont"); every run of digits becomes "0"; everything that is no letter, digit
or mark becomes a space; runs of spaces become one. Words are then what spaces separate.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from trainer.features import CAPTIONS

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
"""Words of the four reserved tokens; they cannot come out of normalisation."""

TOKENS = "tokens"
"""Key of the token rows that Transform makes."""

VOCABULARY = "captions"
"""Name of the vocabulary among Transform's files: a word a line, the most frequent first."""

LENGTH, MIN_COUNT = "caption_length", "caption_min_count"
"""Keys of Transform's `custom_config`: tokens per row, and how often a word must occur."""


def normalise(captions: tf.Tensor) -> tf.Tensor:
    """Bring captions into the form that words are cut from.

    Args:
      captions: string tensor of any shape, UTF-8.

    Returns:
      The same shape.
    """
    text = tf.strings.unicode_transcode(captions, "UTF-8", "UTF-8", errors="replace")
    text = tf.strings.lower(text, encoding="utf-8")
    for pattern, replacement in (
        (r"(\pL)['\x{2019}](\pL)", r"\1\2"),
        (r"\pN+", "0"),
        (r"[^\pL\pM\pN]+", " "),
    ):
        text = tf.strings.regex_replace(text, pattern, replacement)
    return tf.strings.strip(text)


def words(captions: tf.Tensor) -> tf.RaggedTensor:
    """Cut captions, string[N], into their words, string[N, (words)]."""
    return tf.strings.split(normalise(captions))


def encode(captions: tf.Tensor, find: Callable[[tf.Tensor], tf.Tensor], length: int) -> tf.Tensor:
    """Turn captions into rows of tokens.

    Args:
      captions: string[N].
      find: Maps words, string[M], to their places in the vocabulary, int64[M], or -1.
      length: Tokens per row, with start and end; longer captions are cut, the end stays.

    Returns:
      int64[N, length]: start, words, end, padding.
    """
    places = tf.ragged.map_flat_values(find, words(captions))
    tokens = tf.ragged.map_flat_values(
        lambda place: tf.where(place < 0, tf.constant(UNKNOWN, tf.int64), place + len(SPECIAL)),
        places,
    )[:, : length - 2]
    ones = tf.ones([tf.shape(captions)[0], 1], tf.int64)
    rows = tf.concat([ones * START, tokens, ones * END], axis=1)
    return tf.ensure_shape(rows.to_tensor(PAD, shape=[None, length]), [None, length])


def decode(tokens: tf.Tensor, vocabulary: tf.Tensor) -> tf.Tensor:
    """Turn rows of tokens into sentences: up to the end token, without start and padding.

    Args:
      tokens: int64[N, T].
      vocabulary: string[V], in the order of its file.

    Returns:
      string[N]: words with spaces between them.
    """
    tokens = tf.cast(tokens, tf.int64)
    every = tf.concat([tf.constant(SPECIAL), vocabulary], axis=0)
    ended = tf.cumsum(tf.cast(tf.equal(tokens, END), tf.int32), axis=1) > 0
    spoken = ~ended & (tokens != PAD) & (tokens != START)
    chosen = tf.ragged.boolean_mask(tf.gather(every, tokens), spoken)
    return tf.strings.reduce_join(chosen, axis=1, separator=" ")


def read_vocabulary(path: str) -> list[str]:
    """Read a vocabulary file: a word a line."""
    with tf.io.gfile.GFile(path) as file:
        return file.read().splitlines()


def lookup(vocabulary: Sequence[str]) -> tf.lookup.StaticHashTable:
    """Return a table from words to places, -1 for any other; assign it to a tf.Module to export."""
    keys = tf.constant(list(vocabulary), tf.string)
    places = tf.range(len(vocabulary), dtype=tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, places), -1)


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Find the vocabulary of all captions and turn captions into tokens; called by Transform.

    Args:
      inputs: `captions`, string[B, captions]; sparse where their number varies. Images are never
        asked for.
      custom_config: `caption_length` and `caption_min_count`.

    Returns:
      `tokens`: SparseTensor int64[B, captions * caption_length], the rows of an item one after
      the other.
    """
    length = int(custom_config[LENGTH])
    given = inputs[CAPTIONS]
    sparse = isinstance(given, tf.SparseTensor)
    convert = tf.RaggedTensor.from_sparse if sparse else tf.RaggedTensor.from_tensor
    captions = convert(given)
    flat = words(captions.flat_values).flat_values
    path = tft.vocabulary(
        flat, frequency_threshold=int(custom_config[MIN_COUNT]), vocab_filename=VOCABULARY
    )
    find = functools.partial(
        tft.apply_vocabulary, deferred_vocab_filename_tensor=path, default_value=-1
    )
    rows = encode(captions.flat_values, find, length)
    tokens = tf.RaggedTensor.from_row_lengths(
        tf.reshape(rows, [-1]), captions.row_lengths() * length
    )
    return {TOKENS: tokens.to_sparse()}
