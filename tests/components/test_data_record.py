"""One example's verdict: what is said about images, labels, captions and ids."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from components import datasets
from components.data_check.record import judge

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
    judged = judge(DIGITS, payload)
    assert judged.identity == "digits/0001"
    assert [(p.feature, p.what) for p in judged.problems] == found
    assert {p.kind for p in judged.problems} <= {"corrupt"}
    assert (judged.picture is None) == any(feature == "image" for feature, _ in found)


def test_an_example_without_id():
    judged = judge(DIGITS, example(GOOD, [1], identity=None))
    assert judged.identity == "?"
    assert [(p.kind, p.feature, p.what) for p in judged.problems] == [("corrupt", "id", "missing")]


def test_bytes_that_are_no_example():
    judged = judge(DIGITS, b"\xff\xff junk")
    assert [(p.kind, p.feature, p.what) for p in judged.problems] == [
        ("corrupt", "record", "not a tf.Example")
    ]


def test_what_is_measured_of_a_picture():
    pixels = np.arange(784, dtype=np.uint8).reshape(28, 28)
    first, second = io.BytesIO(), io.BytesIO()
    Image.fromarray(pixels).save(first, format="PNG", compress_level=0)
    Image.fromarray(pixels).save(second, format="PNG", compress_level=9)
    assert first.getvalue() != second.getvalue()
    one, other = (judge(DIGITS, example(b.getvalue(), [1])).picture for b in (first, second))
    assert one == other
    wide = pixels.astype(np.int64)
    assert (one.pixels, one.total, one.squares) == (784, wide.sum(), (wide**2).sum())
    assert judge(DIGITS, example(GOOD, [1])).picture.digest != one.digest


FIVE = [b"a dog on a bed"] * 5


@pytest.mark.parametrize(
    ("captions", "kind", "found"),
    [
        (FIVE, "", ""),
        ([*FIVE, "na\u00efve dogs sleep".encode()], "", ""),
        (None, "corrupt", "missing"),
        ([*FIVE[1:], b"a \xff dog"], "corrupt", "with a caption that is not UTF-8"),
        ([*FIVE[1:], b" "], "captions", "with an empty caption"),
        (FIVE[1:], "captions", "with a number of captions that is not 5 to 8"),
        (FIVE * 2, "captions", "with a number of captions that is not 5 to 8"),
        ([*FIVE[1:], b"dog"], "captions", "with a caption not of 3 to 60 words"),
        ([*FIVE[1:], b"dog " * 61], "captions", "with a caption not of 3 to 60 words"),
    ],
)
def test_captions(captions, kind, found):
    photograph = encoded("RGB", (50, 40), "JPEG")
    judged = judge(COCO, example(photograph, captions=captions))
    assert judged.problems == ([(kind, "captions", found)] if found else [])
    assert judged.corrupt == (kind == "corrupt")


def test_grey_photographs_are_accepted_only_where_sizes_are_free():
    grey = encoded("L", (32, 32), "JPEG")
    assert judge(COCO, example(grey, captions=FIVE)).problems == []
    assert judge(datasets.get("cifar10"), example(grey, [1])).problems == [
        ("corrupt", "image", "with 1 instead of 3 channels")
    ]


def number(*values: float) -> bytes:
    features = tf.train.Features()
    features.feature["id"].bytes_list.value.append(b"gaussian/train/0")
    features.feature["value"].float_list.value.extend(values)
    return tf.train.Example(features=features).SerializeToString()


@pytest.mark.parametrize(
    ("payload", "found", "value"),
    [
        (number(9.5), [], 9.5),
        (number(), ["missing"], None),
        (number(1, 2), ["with several values instead of one"], None),
        (number(float("nan")), ["not finite"], None),
        (number(float("-inf")), ["not finite"], None),
    ],
)
def test_a_number_in_an_images_place(payload, found, value) -> None:
    judged = judge(datasets.get("gaussian"), payload)
    assert [problem.what for problem in judged.problems] == found
    assert judged.corrupt == bool(found) and judged.value == value and judged.picture is None
