"""The picture and the table that show stored data to a person."""

from __future__ import annotations

import numpy as np
import pytest

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


def test_wrong_requests(items, tmp_path):
    with pytest.raises(UserError, match=r"count is 0"):
        contact_sheet.examples(tmp_path, 0)
    (tmp_path / "Split-eval").mkdir()
    with pytest.raises(UserError, match=r"no split 'train' in .*: known: eval"):
        contact_sheet.examples(tmp_path, 3)
    with pytest.raises(UserError, match=r"no split 'x' in dataset 'digits': known: train, test"):
        contact_sheet.records(DIGITS, tmp_path, 3, "x")
