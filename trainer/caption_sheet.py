"""Pictures for people: photographs with their captions, and where the decoder looked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = 160
"""Side of a drawn photograph in pixels."""

_TEXT, _LINES, _COLUMNS_OF_TEXT = 12, 4, 27


def captioned(images: np.ndarray, captions: Sequence[str], columns: int = 4) -> np.ndarray:
    """Lay out photographs with a caption under each.

    Args:
      images: uint8[N,S,S,3].
      captions: N sentences.
      columns: Photographs per row.

    Returns:
      uint8[H,W,3].
    """
    height = TILE + _LINES * (_TEXT + 2) + 4
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * TILE, rows * height), "white")
    for n, (image, caption) in enumerate(zip(images, captions, strict=True)):
        corner = (n % columns * TILE, n // columns * height)
        canvas.paste(_tile(image), corner)
        _write(canvas, (corner[0] + 2, corner[1] + TILE + 2), caption)
    return np.asarray(canvas)


def attended(images: np.ndarray, words: Sequence[Sequence[str]], maps: np.ndarray) -> np.ndarray:
    """Draw a row per photograph: itself, then a tile per word, bright where the decoder looked.

    Args:
      images: uint8[N,S,S,3].
      words: Words of each caption; empty ones are left out.
      maps: float32[N,T,h,w], for each word non-negative weights of the grid.

    Returns:
      uint8[H,W,3].
    """
    said = [[word for word in sentence if word] for sentence in words]
    height = TILE + _TEXT + 6
    columns = 1 + max(map(len, said))
    canvas = Image.new("RGB", (columns * TILE, len(said) * height), "white")
    for n, sentence in enumerate(said):
        canvas.paste(_tile(images[n]), (0, n * height))
        for t, word in enumerate(sentence):
            corner = ((t + 1) * TILE, n * height)
            canvas.paste(_lit(images[n], maps[n, t]), corner)
            _write(canvas, (corner[0] + 2, corner[1] + TILE + 2), word)
    return np.asarray(canvas)


def _tile(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC)


def _lit(image: np.ndarray, weights: np.ndarray) -> Image.Image:
    """Light a photograph where the weights are high, relative to the highest; dim the rest."""
    relative = weights / max(float(weights.max()), 1e-9)
    small = Image.fromarray((relative * 255).astype(np.uint8))
    light = np.asarray(small.resize((TILE, TILE), Image.Resampling.BICUBIC), np.float32) / 255.0
    # Some light is added, for where the photograph itself is dark.
    lit = np.asarray(_tile(image)) * (0.3 + 0.6 * light[..., None]) + 60.0 * light[..., None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def _write(canvas: Image.Image, at: tuple[int, int], text: str) -> None:
    lines = textwrap.wrap(text, _COLUMNS_OF_TEXT)[:_LINES]
    font = ImageFont.load_default(_TEXT)
    ImageDraw.Draw(canvas).multiline_text(at, "\n".join(lines), "black", font, spacing=2)
