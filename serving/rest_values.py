"""Single values of REST bodies, read and written as TensorFlow Serving does."""

from __future__ import annotations

import base64
import re

_BLANKS = re.compile(r"[ \t\n\v\f\r]+")


def unbase64(text: str) -> bytes:
    """Return the bytes of base64 text; its padding may be left out, lines may be broken.

    Raises:
      ValueError: For what is no base64.
    """
    packed = _BLANKS.sub("", text)
    padding = "" if packed.endswith("=") else "=" * (-len(packed) % 4)
    return base64.b64decode(packed + padding, validate=True)
