"""Cuts a caption into words the way statistics count them."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def words(caption: str) -> list[str]:
    """Return the lower-cased words of a caption, without punctuation."""
    return _WORD.findall(caption.lower())
