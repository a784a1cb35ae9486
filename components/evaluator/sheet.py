"""Pictures of the report: sheets of images with class names, and data URIs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP = 2
"""Pixels between images, before enlargement."""

MIN_CELL = 56
"""Small images are enlarged by a whole factor to at least this many pixels."""

PAPER, INK = "#ffffff", "#1b2230"


def strip(images: np.ndarray) -> Image.Image:
    """Put uint8[N,H,W,C] side by side at their own size, transparent gaps between."""
    count, height, width, _ = images.shape
    canvas = Image.new("RGBA", (count * (width + GAP) - GAP, height))
    for number, image in enumerate(images):
        canvas.paste(to_pil(image), (number * (width + GAP), 0))
    return canvas


def labelled_sheet(rows: np.ndarray, names: Sequence[str]) -> Image.Image:
    """Draw uint8[R,N,H,W,C] as R rows of N images, each row's class name at its left.

    Args:
      rows: Images; small ones are enlarged by whole factors so that pixels stay sharp.
      names: One name per row.

    Returns:
      An RGB image on white.
    """
    strips = [strip(row) for row in rows]
    factor = math.ceil(MIN_CELL / rows.shape[2])
    font = ImageFont.load_default(size=16)
    margin = 16
    name_width = max(int(font.getlength(name)) for name in names)
    left = margin + name_width + 12
    step = (strips[0].height + GAP) * factor
    width = left + strips[0].width * factor + margin
    canvas = Image.new("RGB", (width, 2 * margin + len(strips) * step - GAP * factor), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (row, name) in enumerate(zip(strips, names, strict=True)):
        top = margin + number * step
        large = row.resize((row.width * factor, row.height * factor), Image.Resampling.NEAREST)
        canvas.paste(large, (left, top), large)
        middle = (margin + name_width, top + large.height // 2)
        draw.text(middle, name, INK, font, "rm")
    return canvas


def data_uri(image: Image.Image) -> str:
    """Encode an image as a PNG that lives inside the page."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def png(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def to_pil(image: np.ndarray) -> Image.Image:
    """Convert uint8[H,W,1 or 3] to a picture."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
