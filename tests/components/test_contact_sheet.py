"""The picture and the table that show stored data to a person."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from components import contact_sheet, datasets
from trainer.errors import UserError

DIGITS = datasets.get("digits")


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return contact_sheet.records(DIGITS, tmp_path_factory.mktemp("tfds"), 10, "test")


def test_table_of_records(items):
    header, rows = contact_sheet.table(items)
    assert header == ["id", "image", "label"]
    assert len(rows) == 10
    assert all(len(row[0]) == 4 and row[2] in DIGITS.label_names for row in rows)
    assert all(row[1].startswith("PNG 28x28 L, ") for row in rows)


def test_sheet_shows_every_image_enlarged(items):
    picture = np.asarray(contact_sheet.sheet(items, columns=4))
    step_x = contact_sheet.CELL + contact_sheet.GAP
    step_y = step_x + contact_sheet.LINE
    assert picture.shape == (3 * step_y + contact_sheet.GAP, 4 * step_x + contact_sheet.GAP, 3)
    for number, item in enumerate(items):
        top = contact_sheet.GAP + number // 4 * step_y
        left = contact_sheet.GAP + number % 4 * step_x
        shown = picture[top : top + 84 : 3, left : left + 84 : 3, 0]
        assert np.array_equal(shown, np.asarray(item.image))


def test_broken_images_stay_visible():
    item = contact_sheet.Item({"id": "x"}, None)
    picture = np.asarray(contact_sheet.sheet([item]))
    assert (picture == [255, 0, 0]).all(axis=-1).sum() > contact_sheet.CELL * 4


def test_images_of_many_sizes_are_fitted_above_their_sentences():
    """A wide photograph keeps its proportions in the middle of its square; so does a small one."""
    wide = Image.new("RGB", (384, 96), "red")
    small = Image.new("RGB", (10, 40), "blue")
    long = " ".join(["one two three four"] * 9) + " \u4e2d"
    picture = np.asarray(
        contact_sheet.sheet(
            [contact_sheet.Item({"id": "a"}, wide, long), contact_sheet.Item({}, small, "short")]
        )
    )
    side, gap = contact_sheet.WIDE, contact_sheet.GAP
    below = contact_sheet.LINES * contact_sheet.LINE
    assert picture.shape == (side + below + 2 * gap, 2 * (side + gap) + gap, 3)
    red = np.argwhere((picture == [255, 0, 0]).all(axis=-1))
    assert (red.min(0).tolist(), red.max(0).tolist()) == ([gap + 72, gap], [gap + 119, gap + 191])
    blue = np.argwhere((picture == [0, 0, 255]).all(axis=-1))
    left = 2 * gap + side + (side - 40) // 2
    assert (blue.min(0).tolist(), blue.max(0).tolist()) == (
        [gap + 16, left],
        [gap + 16 + 159, left + 39],
    )
    inked = (picture[gap + side :, : side + gap] < 128).all(axis=-1).any(axis=1)
    assert inked[: 2 * contact_sheet.LINE].any() and inked[2 * contact_sheet.LINE :].any()


def test_wrong_requests(items, tmp_path):
    with pytest.raises(UserError, match=r"count is 0"):
        contact_sheet.examples(tmp_path, 0)
    (tmp_path / "Split-eval").mkdir()
    with pytest.raises(UserError, match=r"no split 'train' in .*: known: eval"):
        contact_sheet.examples(tmp_path, 3)
    with pytest.raises(UserError, match=r"no split 'x' in dataset 'digits': known: train, test"):
        contact_sheet.records(DIGITS, tmp_path, 3, "x")
