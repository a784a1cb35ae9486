"""Captions to tokens and back: rules, inverse, Transform's vocabulary, an exported graph."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.preprocessing import (
    END,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    decode,
    encode,
    lookup,
    normalise,
    words,
)

VOCABULARY = ["a", "dog", "red", "on", "0", "café"]


@pytest.mark.parametrize(
    ("caption", "normal"),
    [
        ("A red DOG.", "a red dog"),
        ("Two-tone  (dog), on\ta bed!", "two tone dog on a bed"),
        ("The dog's ball; it isn\u2019t his", "the dogs ball it isnt his"),
        ("42 dogs, 3.5 m", "0 dogs 0 0 m"),
        ("CAFÉ Ünal", "café ünal"),
        ("<start> <pad> end", "start pad end"),
        ("...", ""),
        ("", ""),
    ],
)
def test_normalisation(caption, normal):
    assert normalise(tf.constant([caption])).numpy()[0].decode() == normal
    again = normalise(normalise(tf.constant([caption])))
    assert again.numpy()[0].decode() == normal
    assert [w.decode() for w in words(tf.constant([caption]))[0].numpy()] == normal.split()


def test_bytes_that_are_no_text_are_replaced_and_do_not_fail():
    assert normalise(tf.constant([b"a \xff dog"])).numpy()[0] == b"a dog"


def test_rows():
    rows = encode(
        tf.constant(["A red dog.", "a zebra", "", "a red dog on a red dog on a red dog"]),
        lookup(VOCABULARY).lookup,
        7,
    )
    first = len(SPECIAL)
    a, dog, red, on = (first + VOCABULARY.index(word) for word in ("a", "dog", "red", "on"))
    assert rows.dtype == tf.int64
    assert rows.numpy().tolist() == [
        [START, a, red, dog, END, PAD, PAD],
        [START, a, UNKNOWN, END, PAD, PAD, PAD],
        [START, END, PAD, PAD, PAD, PAD, PAD],
        [START, a, red, dog, on, a, END],
    ]


def test_the_inverse():
    captions = ["a red dog", "a dog on a red café", ""]
    rows = encode(tf.constant(captions), lookup(VOCABULARY).lookup, 9)
    found = decode(rows, tf.constant(VOCABULARY))
    assert [text.decode() for text in found.numpy()] == captions
    odd = tf.constant([[START, 5, END, 4, 4], [UNKNOWN, 4, PAD, PAD, PAD]], tf.int64)
    assert [x.decode() for x in decode(odd, tf.constant(VOCABULARY)).numpy()] == [
        "dog",
        "<unknown> a",
    ]


def test_the_same_code_in_an_exported_signature(tmp_path):
    class Tokens(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = lookup(VOCABULARY)
            self.vocabulary = tf.constant(VOCABULARY)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def round_trip(self, captions):
            rows = encode(captions, self.table.lookup, 8)
            return {"tokens": rows, "caption": decode(rows, self.vocabulary)}

    module = Tokens()
    tf.saved_model.save(module, str(tmp_path), signatures=module.round_trip)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    answer = loaded(tf.constant(["A RED dog!", "a cat"]))
    expected = encode(tf.constant(["A RED dog!", "a cat"]), lookup(VOCABULARY).lookup, 8)
    assert np.array_equal(answer["tokens"], expected)
    assert answer["caption"].numpy().tolist() == [b"a red dog", b"a <unknown>"]
