"""Captioned examples: rows, draws, resumption, and data that must be refused by name."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer import caption_input
from trainer.caption_settings import CaptionData
from trainer.errors import UserError
from trainer.preprocessing import END, PAD, START

DATA = CaptionData(dataset="colours", length=7)
SIDE = 16


@pytest.fixture(scope="module")
def split(tmp_path_factory, write_items, colour_items, vocabulary):
    pattern = write_items(tmp_path_factory.mktemp("split") / "Split-train", colour_items(10, 0))
    return caption_input.load([pattern], DATA, SIDE, vocabulary)


def take(split, count: int, skip: int = 0, captions: int = 2, seed: int = 5):
    data = caption_input.batches(split, 4, captions, seed, skip)
    return [(a, b) for a, b in itertools.islice(data.as_numpy_iterator(), count)]


def test_images_and_token_rows_are_as_stored(split, colour_items, vocabulary) -> None:
    items = colour_items(10, 0)
    assert split.seen.shape == split.shown.shape == (10, SIDE, SIDE, 3)
    assert split.rows.shape == (10, 3, 7)
    assert split.counts.tolist() == [2, 3] * 5
    for image, (_, encoded, _) in zip(split.seen, items, strict=True):
        np.testing.assert_array_equal(image, tf.io.decode_png(encoded))
    a, picture, red = (4 + vocabulary.index(word) for word in ("a", "picture", "red"))
    assert split.rows[0, 0].tolist() == [START, a, red, picture, END, PAD, PAD]
    assert not split.rows[0, 2].any() and split.rows[1, 2].any()


def test_every_image_comes_once_an_epoch_and_its_captions_change(split) -> None:
    drawn = take(split, 10)  # four epochs of ten images
    rows = np.concatenate([rows for _, rows in drawn])
    images = np.concatenate([images for images, _ in drawn])
    known = [image.tobytes() for image in split.seen]
    order = [known.index(image.tobytes()) for image in images]
    for epoch in range(4):
        assert sorted(order[10 * epoch : 10 * epoch + 10]) == list(range(10))
    assert order[:10] != order[10:20]
    seen = {n: set() for n in range(10)}
    for index, pair in zip(order, rows, strict=True):
        own = split.rows[index, : split.counts[index]]
        assert len({row.tobytes() for row in pair}) == 2
        for row in pair:
            seen[index].add([r.tobytes() for r in own].index(row.tobytes()))
    assert seen[1] == {0, 1, 2}


def test_skipping_continues_exactly_and_another_seed_differs(split) -> None:
    whole, rest = take(split, 7), take(split, 4, skip=3)
    for (images, rows), (later_images, later_rows) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(images, later_images)
        np.testing.assert_array_equal(rows, later_rows)
    assert any((a[1] != b[1]).any() for a, b in zip(whole, take(split, 7, seed=6), strict=True))


def test_an_image_with_fewer_captions_repeats_some(split) -> None:
    _, rows = take(split, 1, captions=5)[0]
    assert rows.shape == (4, 5, 7) and (rows[..., 0] == START).all()


def test_a_batch_larger_than_the_data_is_refused(split) -> None:
    with pytest.raises(UserError, match="batch_size is 11 and there are only 10"):
        caption_input.batches(split, 11, 1, 0)


def refused(items, tmp_path: Path, write_items, vocabulary) -> str:
    pattern = write_items(tmp_path / "Split-train", items)
    with pytest.raises(UserError) as caught:
        caption_input.load([pattern], DATA, SIDE, vocabulary)
    return str(caught.value)


def test_bad_examples_are_named(tmp_path, write_items, colour_items, vocabulary) -> None:
    good = colour_items(70, 0)
    cases = {
        "no captions": (good[66][1], []),
        "damaged": (good[66][1][:-30], ["a red picture"]),
        "neither": (b"no image", ["a red picture"]),
        "empty": (b"", ["a red picture"]),
    }
    for reason, (image, captions) in cases.items():
        items = [*good[:66], ("broken", image, captions), *good[67:]]
        message = refused(items, tmp_path / reason, write_items, vocabulary)
        assert "example 66 ('broken')" in message and reason in message


def test_nothing_to_read_and_a_foreign_vocabulary_are_refused(
    tmp_path, write_items, colour_items
) -> None:
    message = refused([], tmp_path / "none", write_items, ["a"])
    assert "has no examples" in message
    items = colour_items(6, 0)
    message = refused(items, tmp_path / "foreign", write_items, ["ein", "rotes", "bild"])
    assert message.startswith("100% of the words") and "belongs to another run" in message
