"""Contact sheets: where each image lands, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from serving.errors import ServingError
from serving.sheet import GAP, sheet, write_sheet


def test_images_land_row_by_row_enlarged_by_whole_factors():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1) * np.ones((1, 28, 28, 1), np.uint8)
    picture = np.asarray(sheet(images, columns=3))
    step = 2 * 28 + GAP
    assert picture.shape == (2 * step + GAP, 3 * step + GAP)
    corners = [
        picture[GAP + row * step, GAP + column * step] for row in range(2) for column in range(3)
    ]
    assert corners == [0, 1, 2, 3, 4, 5]


def test_texts_widen_the_sheet_and_colour_stays(tmp_path):
    images = np.zeros((4, 64, 64, 3), np.uint8)
    images[..., 0] = 200
    plain = sheet(images, columns=2)
    write_sheet(tmp_path / "s.png", images, columns=2, captions=["zero", "one"])
    labelled = Image.open(tmp_path / "s.png")
    assert labelled.mode == "RGB"
    assert labelled.width > plain.width and labelled.height == plain.height
    assert labelled.getpixel((labelled.width - 10, 10)) == (200, 0, 0)
    assert [file.name for file in tmp_path.iterdir()] == ["s.png"]


def test_mistakes_are_refused_and_leave_nothing(tmp_path):
    good = np.zeros((4, 8, 8, 1), np.uint8)
    for images in (good.astype(np.float32), good[0], good[:0], good.repeat(2, axis=3)):
        with pytest.raises(ServingError):
            sheet(images)
    with pytest.raises(ServingError, match="3 texts for 2 rows"):
        sheet(good, columns=2, captions=["a", "b", "c"])
    with pytest.raises(ServingError, match="cannot write"):
        write_sheet(tmp_path / "none" / "s.png", good)
    assert list(tmp_path.iterdir()) == []
