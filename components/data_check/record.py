"""Judges one example: what statistics cannot see, such as bytes that are no image."""

from __future__ import annotations

import functools
import hashlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from PIL import Image, UnidentifiedImageError
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_check.settings import Kind
from components.datasets.base import DatasetSpec
from trainer.features import CAPTIONS, FACTS, ID, IMAGE, LABEL, VALUE

CHANNELS = {"L": 1, "RGB": 3}
"""Pillow's modes of 8-bit images that the trainer reads; no palettes, no 16 bits."""

UNKNOWN_ID = "?"


class Problem(NamedTuple):
    """One thing wrong with an example; `what` is worded to follow a count ("outside [0, 9]")."""

    kind: Kind
    feature: str
    what: str


class Picture(NamedTuple):
    """What is kept of a decoded image: exact integers, so that sums do not depend on order."""

    digest: str
    """hash of size, channels and pixels: equal for equal pictures, however they are encoded"""
    pixels: int
    total: int
    squares: int


class Judged(NamedTuple):
    """An example after its examination."""

    identity: str
    problems: list[Problem]
    picture: Picture | None
    label: int | None
    captions: list[str]
    value: float | None = None

    @property
    def corrupt(self) -> bool:
        """Nothing can learn from it."""
        return any(problem.kind == "corrupt" for problem in self.problems)


def judge(spec: DatasetSpec, payload: bytes) -> Judged:
    """Check one serialized example and measure what is usable of it.

    Args:
      spec: What the data set promises.
      payload: Serialized tf.Example with the keys of `trainer.features`.

    Returns:
      The verdict. Bytes that are no tf.Example are a corrupt record like any other.
    """
    try:
        features = tf.train.Example.FromString(payload).features.feature
    except DecodeError:
        broken = Problem("corrupt", "record", "not a tf.Example")
        return Judged(UNKNOWN_ID, [broken], None, None, [])
    ids = _bytes(features, ID)
    problems = [] if len(ids) == 1 else [Problem("corrupt", ID, _how_many(len(ids)))]
    picture = value = None
    if spec.value_feature:
        numbers = list(features[VALUE].float_list.value) if VALUE in features else []
        value = numbers[0] if len(numbers) == 1 and math.isfinite(numbers[0]) else None
        problems += [Problem("corrupt", VALUE, text) for text in _value(numbers)]
    else:
        what, picture = _image(spec, _bytes(features, IMAGE))
        problems += [Problem("corrupt", IMAGE, text) for text in what]
    label = None
    if spec.label_names:
        labels = list(features[LABEL].int64_list.value) if LABEL in features else []
        label = labels[0] if len(labels) == 1 else None
        problems += [Problem("corrupt", LABEL, text) for text in _label(spec, labels)]
    captions: list[str] = []
    if spec.captions_feature:
        raw = _bytes(features, CAPTIONS)
        captions = [text for value in raw if (text := _text(value)) is not None]
        problems += _captions(spec, raw, captions)
    problems += _unforeseen(_reviewed(str(spec.schema_file)), features)
    identity = ids[0].decode(errors="replace") if ids else UNKNOWN_ID
    return Judged(identity, problems, picture, label, captions, value)


@functools.cache
def _reviewed(schema_file: str) -> frozenset[str]:
    """Return the names of the features in a reviewed schema."""
    text = Path(schema_file).read_text(encoding="utf-8")
    return frozenset(f.name for f in text_format.Parse(text, schema_pb2.Schema()).feature)


def _unforeseen(reviewed: frozenset[str], features: Any) -> Iterator[Problem]:
    """Hold an example against the schema, in what is not judged by its content."""
    for name in sorted(set(features) - reviewed):
        yield Problem("schema", name, "with a feature that the reviewed schema does not have")
    if FACTS in reviewed:
        count = len(_bytes(features, FACTS))
        if count != 1:
            yield Problem("schema", FACTS, _how_many(count))


def _bytes(features: Any, key: str) -> list[bytes]:
    return list(features[key].bytes_list.value) if key in features else []


def _image(spec: DatasetSpec, values: list[bytes]) -> tuple[list[str], Picture | None]:
    if len(values) != 1 or not values[0]:
        return [_how_many(len([value for value in values if value]))], None
    try:
        with Image.open(io.BytesIO(values[0]), formats=("PNG", "JPEG")) as image:
            image.load()
            mode, pixels = image.mode, np.asarray(image)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return ["not decodable as PNG or JPEG"], None
    problems = list(_shape(spec, mode, *pixels.shape[:2]))
    return problems, None if problems else _picture(mode, pixels)


def _shape(spec: DatasetSpec, mode: str, height: int, width: int) -> Iterator[str]:
    want_height, want_width, want_channels = spec.image_shape
    if want_height not in (None, height) or want_width not in (None, width):
        yield f"of size {height}x{width} instead of {want_height}x{want_width}"
    # Photographs of free size come in grey too; decoders spread those over the channels.
    grey_photograph = mode == "L" and want_height is None
    if CHANNELS.get(mode) != want_channels and not grey_photograph:
        have = CHANNELS.get(mode)
        yield (
            f"with {have} instead of {want_channels} channels"
            if have
            else f"in pixel format {mode} instead of {want_channels} channels of 8 bits"
        )


def _picture(mode: str, pixels: np.ndarray) -> Picture:
    digest = hashlib.blake2b(f"{mode}{pixels.shape}".encode(), digest_size=12)
    digest.update(pixels.tobytes())
    flat = pixels.ravel().astype(np.int64)
    return Picture(digest.hexdigest(), flat.size, int(flat.sum()), int(np.dot(flat, flat)))


def _value(values: list[float]) -> Iterator[str]:
    if len(values) != 1:
        yield _how_many(len(values))
    elif not math.isfinite(values[0]):
        yield "not finite"


def _label(spec: DatasetSpec, values: list[int]) -> Iterator[str]:
    if len(values) != 1:
        yield _how_many(len(values))
    elif not 0 <= values[0] < spec.num_classes:
        yield f"outside [0, {spec.num_classes - 1}]"


def _captions(spec: DatasetSpec, raw: list[bytes], captions: list[str]) -> Iterator[Problem]:
    if not raw:
        yield Problem("corrupt", CAPTIONS, "missing")
        return
    if len(captions) < len(raw):
        yield Problem("corrupt", CAPTIONS, "with a caption that is not UTF-8")
        return
    words = [len(caption.split()) for caption in captions]
    fewest, most = spec.caption_count
    if not fewest <= len(captions) <= most:
        bounds = str(fewest) if fewest == most else f"{fewest} to {most}"
        yield Problem("captions", CAPTIONS, f"with a number of captions that is not {bounds}")
    if not all(words):
        yield Problem("captions", CAPTIONS, "with an empty caption")
    shortest, longest = spec.caption_words
    if any(0 < count < shortest or count > longest for count in words):
        yield Problem("captions", CAPTIONS, f"with a caption not of {shortest} to {longest} words")


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _how_many(count: int) -> str:
    return "missing" if count == 0 else "with several values instead of one"
