"""Batches: range, order by (seed, epoch), resumption, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer import input as trainer_input
from trainer.errors import UserError
from trainer.settings import DataSettings

DATA = DataSettings(dataset="halves", image_shape=(8, 8, 1), label_names=("l", "r"))


def test_load_gives_back_the_pictures(tmp_path: Path, pictures, write_examples) -> None:
    split = trainer_input.load([write_examples(tmp_path / "e", *pictures)], DATA)
    np.testing.assert_array_equal(split.images, pictures[0])
    np.testing.assert_array_equal(split.labels, pictures[1])


def test_load_refuses_another_shape_and_an_empty_split(
    tmp_path: Path, pictures, write_examples
) -> None:
    pattern = write_examples(tmp_path / "e", *pictures)
    wide = DATA.model_copy(update={"image_shape": (8, 9, 1)})
    with pytest.raises(UserError, match=r"\(8, 9, 1\).*found \[\(8, 8, 1\)\]"):
        trainer_input.load([pattern], wide)
    with pytest.raises(UserError, match="no training examples"):
        trainer_input.load([str(tmp_path / "none" / "*")], DATA)


def test_an_epoch_shows_every_item_once_in_an_order_of_its_own(pictures) -> None:
    split = trainer_input.Images(pictures[0], pictures[1].astype(np.int32))
    stream = trainer_input.batches(split, 8, seed=3).take(10).as_numpy_iterator()
    images = np.concatenate([image for image, _ in stream])
    assert images.dtype == np.float32 and images.min() >= -1 and images.max() <= 1
    first, second = (np.sort(part.reshape(40, -1), axis=0) for part in (images[:40], images[40:]))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(images[:40], images[40:])


@pytest.mark.parametrize("skip", [3, 5, 12])
def test_skipping_continues_the_very_same_order(pictures, skip: int) -> None:
    split = trainer_input.Images(pictures[0], pictures[1].astype(np.int32))
    whole = list(trainer_input.batches(split, 12, seed=1).take(14).as_numpy_iterator())
    rest = list(trainer_input.batches(split, 12, seed=1, skip=skip).take(2).as_numpy_iterator())
    np.testing.assert_array_equal(rest[0][0], whole[skip][0])
    np.testing.assert_array_equal(rest[1][1], whole[skip + 1][1])


def test_a_batch_larger_than_the_data_is_refused(pictures) -> None:
    split = trainer_input.Images(pictures[0], pictures[1].astype(np.int32))
    with pytest.raises(UserError, match="is 41 and there are only 40 training examples"):
        trainer_input.batches(split, 41, seed=0)


def test_scaling_round_trip_is_exact() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    back = trainer_input.to_uint8(trainer_input.to_float(values)).numpy()
    np.testing.assert_array_equal(back, values)
