"""Contact sheets: many images tiled into one PNG, one labelled row per class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from serving.errors import ServingError
from serving.files import write_whole

GAP = 2
MARGIN = 6
MIN_TILE = 56  # smaller images are enlarged by whole factors, so that single pixels stay visible


def sheet(
    images: np.ndarray, columns: int | None = None, captions: Sequence[str] | None = None
) -> Image.Image:
    """Tile images row by row.

    Args:
      images: uint8[N,H,W,C], C 1 (grey) or 3 (RGB).
      columns: Images per row; None makes the sheet as square as possible.
      captions: One text per row, written in a column at the left.

    Raises:
      ServingError: If the array is no batch of images, or there are not as many texts as rows.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ServingError(
            f"a sheet needs uint8[N,H,W,C] images with 1 or 3 channels; got {images.dtype} "
            f"{list(images.shape)}"
        )
    if not len(images) or (columns is not None and columns < 1):
        raise ServingError(f"a sheet needs at least one image and one column; got {len(images)}")
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    if captions is not None and len(captions) != rows:
        raise ServingError(f"{len(captions)} texts for {rows} rows of {columns} images")
    factor = max(1, -(-MIN_TILE // max(images.shape[1:3])))
    tiles = images.repeat(factor, axis=1).repeat(factor, axis=2)
    return _paste(tiles, rows, columns, list(captions or []))


def write_sheet(
    path: Path,
    images: np.ndarray,
    columns: int | None = None,
    captions: Sequence[str] | None = None,
) -> None:
    """Write a sheet as PNG; the file appears whole or not at all. Arguments as `sheet`.

    Raises:
      ServingError: As `sheet`, or if the file cannot be written.
    """
    data = io.BytesIO()
    sheet(images, columns, captions).save(data, format="PNG", optimize=True)
    write_whole(path, data.getvalue())


def _paste(tiles: np.ndarray, rows: int, columns: int, captions: list[str]) -> Image.Image:
    count, height, width, channels = tiles.shape
    mode = "L" if channels == 1 else "RGB"
    measure = ImageDraw.Draw(Image.new("L", (1, 1)))
    left = max((int(measure.textlength(text)) for text in captions), default=0)
    left = left + 2 * MARGIN if left else GAP
    size = (left + columns * (width + GAP), GAP + rows * (height + GAP))
    picture = Image.new(mode, size, "white")
    for index in range(count):
        row, column = divmod(index, columns)
        tile = Image.fromarray(tiles[index, :, :, 0] if channels == 1 else tiles[index])
        picture.paste(tile, (left + column * (width + GAP), GAP + row * (height + GAP)))
    draw = ImageDraw.Draw(picture)
    for row, text in enumerate(captions):
        middle = GAP + row * (height + GAP) + height // 2
        draw.text((MARGIN, middle), text, fill="black", anchor="lm")
    return picture
