"""Single values of REST bodies, read and written as TensorFlow Serving does."""

from __future__ import annotations

import base64
import re

import numpy as np

_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


def unbase64(text: str) -> bytes:
    """Return the bytes of base64 text; its padding may be left out, lines may be broken.

    Raises:
      ValueError: For what is no base64.
    """
    packed = _BLANKS.sub("", text)
    padding = "" if packed.endswith("=") else "=" * (-len(packed) % 4)
    return base64.b64decode(packed + padding, validate=True)


def decimals(array: np.ndarray) -> np.ndarray:
    """Return float32 values as the float64 numbers that JSON shows in few digits.

    0.2 and not 0.20000000298023224: six significant digits where they suffice to get the same
    float32 back, else nine.
    """
    values = array.astype(np.float32).ravel()
    shown = values.astype(np.float64)
    with np.errstate(all="ignore"):
        for digits in (9, 6):
            near = _rounded(values.astype(np.float64), digits)
            np.copyto(shown, near, where=near.astype(np.float32) == values)
    return shown.reshape(array.shape)


def _rounded(values: np.ndarray, digits: int) -> np.ndarray:
    power = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(values))))
    near = np.rint(values * power) / power
    # Other powers of ten are no exact floats, and the quotient not the nearest to the decimal.
    odd = np.isfinite(values) & (values != 0) & ((power < 1) | (power > 1e22))
    near[odd] = [float(f"{value:.{digits - 1}e}") for value in values[odd].tolist()]
    return near
