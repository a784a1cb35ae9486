"""What a model or a server says of an image it refuses, out of what TensorFlow says around it."""

from __future__ import annotations

import re

_IMAGE = re.compile(r"image 0(?: of 1)?:? ((?:(?! \(model ')[^\"\]\[{}])*)")
_PREAMBLE = re.compile(
    r"(?:.*<stack traces unavailable>\s*)?(?:\{\{function_node [^}]*\}\}\s*)?", re.DOTALL
)
_NODE = re.compile(r"\s*(?:\[\[|\[Op:).*", re.DOTALL)


def about_image(text: str) -> str | None:
    """Return what the text says of the only image that was sent: "is empty"; None if nothing."""
    found = _IMAGE.search(text)
    return " ".join(found[1].split()) if found else None


def words(text: str) -> str:
    """Return an operation's own words, in one line, without the graph's nodes and traces."""
    own = _NODE.sub("", _PREAMBLE.sub("", text, count=1))
    return " ".join(own.split()) or " ".join(text.split())
