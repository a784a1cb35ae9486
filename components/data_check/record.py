"""Judges one example: what statistics cannot see, such as bytes that are no image."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from components.datasets.base import DatasetSpec
from trainer.features import CAPTIONS, ID, IMAGE, LABEL

CHANNELS = {"L": 1, "RGB": 3}
"""Pillow's modes of 8-bit images that the trainer reads; no palettes, no 16 bits."""


def problems(spec: DatasetSpec, payload: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Check one serialized example.

    Args:
      spec: What the data set promises.
      payload: Serialized tf.Example with the keys of `trainer.features`.

    Returns:
      The example's id ("?" without one) and its violations as (feature, what is wrong), worded to
      follow a count: "outside [0, 9]", "missing".
    """
    features = tf.train.Example.FromString(payload).features.feature
    ids = list(features[ID].bytes_list.value) if ID in features else []
    found = [] if len(ids) == 1 else [(ID, _how_many(len(ids)))]
    found += [(IMAGE, what) for what in _image(spec, features)]
    if spec.label_names:
        found += [(LABEL, what) for what in _label(spec, features)]
    if spec.captions_feature:
        found += [(CAPTIONS, what) for what in _captions(features)]
    return (ids[0].decode(errors="replace") if ids else "?"), found


def _image(spec: DatasetSpec, features: Any) -> Iterator[str]:
    values = list(features[IMAGE].bytes_list.value) if IMAGE in features else []
    if len(values) != 1:
        yield _how_many(len(values))
        return
    try:
        with Image.open(io.BytesIO(values[0]), formats=("PNG", "JPEG")) as image:
            image.load()
            width, height = image.size
            mode = image.mode
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        yield "not decodable as PNG or JPEG"
        return
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


def _label(spec: DatasetSpec, features: Any) -> Iterator[str]:
    values = list(features[LABEL].int64_list.value) if LABEL in features else []
    if len(values) != 1:
        yield _how_many(len(values))
    elif not 0 <= values[0] < spec.num_classes:
        yield f"outside [0, {spec.num_classes - 1}]"


def _captions(features: Any) -> Iterator[str]:
    values = list(features[CAPTIONS].bytes_list.value) if CAPTIONS in features else []
    if not values:
        yield "missing"
    elif not all(value.strip() for value in values):
        yield "with an empty caption"


def _how_many(count: int) -> str:
    return "missing" if count == 0 else "with several values instead of one"
