"""One example's verdict: what is said about images, labels, captions and ids."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import datasets
from components.data_check.executor import violations
from components.data_check.record import problems

DIGITS = datasets.get("digits")
COCO = datasets.get("coco_captions")


def encoded(mode: str, size: tuple[int, int], fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(np.zeros(size[::-1], np.uint16)).save(buffer, format=fmt)
    else:
        Image.new(mode, size).save(buffer, format=fmt)
    return buffer.getvalue()


def example(image=None, label=None, captions=None, identity=b"digits/0001") -> bytes:
    features = {}
    for key, value in (("image", image), ("id", identity)):
        if value is not None:
            features[key] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if label is not None:
        features["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=label))
    if captions is not None:
        features["captions"] = tf.train.Feature(bytes_list=tf.train.BytesList(value=captions))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


GOOD = encoded("L", (28, 28))


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (example(GOOD, [3]), []),
        (example(encoded("L", (28, 28), "JPEG"), [3]), []),
        (example(None, [3]), [("image", "missing")]),
        (example(b"text", [3]), [("image", "not decodable as PNG or JPEG")]),
        (example(GOOD[:-20], [3]), [("image", "not decodable as PNG or JPEG")]),
        (example(encoded("L", (28, 28), "BMP"), [3]), [("image", "not decodable as PNG or JPEG")]),
        (example(encoded("L", (20, 28)), [3]), [("image", "of size 28x20 instead of 28x28")]),
        (example(encoded("RGB", (28, 28)), [3]), [("image", "with 3 instead of 1 channels")]),
        (
            example(encoded("I;16", (28, 28)), [3]),
            [("image", "in pixel format I;16 instead of 1 channels of 8 bits")],
        ),
        (example(GOOD, [10]), [("label", "outside [0, 9]")]),
        (example(GOOD, [-1]), [("label", "outside [0, 9]")]),
        (example(GOOD), [("label", "missing")]),
        (example(GOOD, [1, 2]), [("label", "with several values instead of one")]),
    ],
)
def test_digits(payload, found):
    assert problems(DIGITS, payload) == ("digits/0001", found)


def test_an_example_without_id():
    assert problems(DIGITS, example(GOOD, [1], identity=None)) == ("?", [("id", "missing")])


@pytest.mark.parametrize(
    ("captions", "found"),
    [
        ([b"a dog", b"a cat"], []),
        (None, [("captions", "missing")]),
        ([b"a dog", b" "], [("captions", "with an empty caption")]),
    ],
)
def test_captions(captions, found):
    photograph = encoded("RGB", (50, 40), "JPEG")
    assert problems(COCO, example(photograph, captions=captions))[1] == found


def test_grey_photographs_are_accepted_only_where_sizes_are_free():
    grey = encoded("L", (32, 32), "JPEG")
    assert problems(COCO, example(grey, captions=[b"a dog"]))[1] == []
    assert problems(datasets.get("cifar10"), example(grey, [1]))[1] == [
        ("image", "with 1 instead of 3 channels")
    ]


def test_statistics_speak_only_where_records_are_silent():
    counts = [
        ["train", "", "", 1297, "digits/0000"],
        ["train", "label", "outside [0, 9]", 3, "digits/0007"],
    ]
    anomalies = {("train", "label"): "Unexpectedly high value", ("eval", "id"): "Column dropped"}
    assert violations(counts, anomalies) == [
        "label (train): 3 of 1,297 outside [0, 9], for example digits/0007",
        "id (eval): Column dropped",
    ]
