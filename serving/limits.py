"""What a request may not ask for: too many rows, or encoded images that unfold to gigabytes."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from serving.options import Limits
from serving.status import invalid

IMAGES = "image_bytes"
_FORMATS = ("PNG", "JPEG", "GIF", "BMP")  # what tf.io.decode_image reads


def check(limits: Limits, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuse a request that is larger than this server allows.

    Raises:
      StatusError: INVALID_ARGUMENT that says what was given and what is allowed.
    """
    for alias, array in inputs.items():
        if array.ndim and array.shape[0] > limits.batch_rows:
            raise invalid(
                f"input {alias} has {array.shape[0]} rows; this server allows {limits.batch_rows} "
                "in one request"
            )
    if IMAGES in inputs and inputs[IMAGES].dtype == object:
        for position, data in enumerate(inputs[IMAGES].ravel()):
            _check_image(data, position, limits.image_side)


def _check_image(data: bytes, position: int, side: int) -> None:
    """Look at the header alone; bytes that are no image are the graph's to refuse."""
    try:
        width, height = Image.open(io.BytesIO(data), formats=_FORMATS).size
    except Image.DecompressionBombError as error:
        raise invalid(f"image {position}: {error}") from None
    except (OSError, ValueError, SyntaxError):
        return
    if max(width, height) > side:
        raise invalid(
            f"image {position} is {width}x{height} pixels; this server allows {side} along a side"
        )
