"""Photographs of the report: thumbnails, where a model looked, and the sheet of captions."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.evaluator.sheet import INK, PAPER

SIDE = 320
"""Longer side of a photograph in the report, in pixels; smaller ones stay as they are."""

MAP_SIDE = 96
DIM = 0.35
"""Brightness of a place that gets no attention."""

GREY = (128, 128, 128)
COLUMNS, CELL, MARGIN = 4, 224, 16
LINE_CHARACTERS, LINE_HEIGHT, LINES = 32, 18, 4


def decode(image: bytes) -> Image.Image:
    """Decode an encoded image (the first of several) to RGB of at most `SIDE` pixels a side.

    What cannot be shown is a grey square: a picture must not stand between a model and its verdict.
    """
    try:
        with Image.open(io.BytesIO(image)) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return Image.new("RGB", (SIDE // 2, SIDE // 2), GREY)
    picture.thumbnail((SIDE, SIDE))
    return picture


def data_uri(picture: Image.Image) -> str:
    """Encode a picture for the page: JPEG for photographs, PNG for small drawings."""
    kind = "PNG" if max(picture.size) < MAP_SIDE else "JPEG"
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, quality=85, optimize=True)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def looked_at(picture: Image.Image, attention: np.ndarray) -> Image.Image:
    """Light a picture by attention: the place of the word's largest weight keeps its brightness.

    Args:
      picture: RGB.
      attention: float[h,w], not negative.

    Returns:
      RGB of at most `MAP_SIDE` pixels a side.
    """
    small = picture.copy()
    small.thumbnail((MAP_SIDE, MAP_SIDE))
    weights = np.asarray(attention, np.float32)
    weights = weights / max(float(weights.max()), 1e-12)
    light = Image.fromarray(weights).resize(small.size, Image.Resampling.BICUBIC)
    bright = DIM + (1 - DIM) * np.clip(np.asarray(light), 0, 1)[..., None]
    return Image.fromarray((np.asarray(small) * bright).astype(np.uint8))


def sheet(pictures: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Draw pictures in rows of four on white, each with its caption below."""
    font = ImageFont.load_default(size=14)
    rows = -(-len(pictures) // COLUMNS)
    step = CELL + 8 + LINES * LINE_HEIGHT + MARGIN
    columns = min(COLUMNS, len(pictures))
    width = columns * (CELL + MARGIN) + MARGIN
    canvas = Image.new("RGB", (width, rows * step + MARGIN), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(number, COLUMNS)
        left, top = MARGIN + column * (CELL + MARGIN), MARGIN + row * step
        scale = CELL / max(picture.size)
        shown = picture.resize([max(1, round(side * scale)) for side in picture.size])
        canvas.paste(shown, (left, top + CELL - shown.height))
        lines = textwrap.wrap(caption, LINE_CHARACTERS, max_lines=LINES, placeholder=" ...")
        draw.multiline_text((left, top + CELL + 8), "\n".join(lines), INK, font, spacing=4)
    return canvas
