"""A world of three colours on disk, as the Trainer gets it, and settings that learn it fast."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer.caption_settings import CaptionConfig, CaptionData, CaptionModel, CaptionTrain

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220)}
VOCABULARY = ["a", "picture", "red", "green", "blue", "is", "the", "this"]
SIDE = 16


def _feature(values: Sequence[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def _write(folder: Path, items: Sequence[tuple[str, bytes, Sequence[str]]]) -> str:
    """Write (id, encoded image, captions) as one shard; return its pattern."""
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for name, image, captions in items:
            features = {
                "id": _feature([name.encode()]),
                "image": _feature([image]),
                "captions": _feature([text.encode() for text in captions]),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return str(folder / "*")


def _colour_items(count: int, seed: int) -> list[tuple[str, bytes, list[str]]]:
    """Images of one noisy colour each, with two or three captions that name it."""
    random, items = np.random.default_rng(seed), []
    for n in range(count):
        name = list(COLOURS)[n % 3]
        noise = random.integers(-25, 26, (SIDE, SIDE, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        captions = [f"A {name} picture.", f"the picture is {name}", f"this is {name}"]
        items.append((f"item-{n}", tf.io.encode_png(pixels).numpy(), captions[: 2 + n % 2]))
    return items


def _transform_output(root: Path, vocabulary: Sequence[str]) -> str:
    """Write a vocabulary where Transform leaves it."""
    assets = root / "transform_fn" / "assets"
    assets.mkdir(parents=True)
    (assets / "captions").write_text("".join(f"{word}\n" for word in vocabulary))
    return str(root)


def _make_fn_args(root: Path, run: str = "a", family: str = "transformer", **train: object):
    """Build TFX-like FnArgs below `root`; keywords change the training's settings."""
    if not (root / "examples").exists():
        _write(root / "examples" / "Split-train", _colour_items(36, 0))
        _write(root / "examples" / "Split-eval", _colour_items(12, 1))
        (root / "examples" / "manifest.json").write_text(json.dumps({"fingerprint": "f00d"}))
        _transform_output(root / "transform", VOCABULARY)
    settings = {
        "steps": 12,
        "batch_size": 6,
        "steps_per_call": 3,
        "sheet_every": 6,
        "checkpoint_every": 6,
        "validate_every": 6,
        "captions_per_image": 2,
        "learning_rate": 0.005,
        "warmup_steps": 5,
    }
    model = {"image_size": SIDE, "encoder_channels": (8, 8, 8), "width": 16, "units": 16}
    config = CaptionConfig(
        data=CaptionData(dataset="colours", length=7),
        model=CaptionModel.model_validate({**model, "family": family, "beam_width": 3}),
        train=CaptionTrain.model_validate({**settings, **train}),
        checkpoint_root=str(root / "checkpoints"),
        recipe="name: colours\n",
    )
    return SimpleNamespace(
        train_files=[str(root / "examples" / "Split-train" / "*")],
        eval_files=[str(root / "examples" / "Split-eval" / "*")],
        transform_output=str(root / "transform"),
        serving_model_dir=str(root / run / "Format-Serving"),
        model_run_dir=str(root / run / "run"),
        custom_config={"trainer": config.model_dump_json()},
    )


@pytest.fixture
def fn_args(tmp_path: Path):
    """Return `make_fn_args` for this test's own folder."""
    return functools.partial(_make_fn_args, tmp_path)


@pytest.fixture(scope="session")
def make_fn_args():
    """Return the function behind `fn_args`, for fixtures of wider scope."""
    return _make_fn_args


@pytest.fixture(scope="session")
def write_items():
    """Return the function that writes (id, image, captions) as examples."""
    return _write


@pytest.fixture(scope="session")
def colour_items():
    """Return the function that makes items of the world of colours."""
    return _colour_items


@pytest.fixture(scope="session")
def transform_output():
    """Return the function that writes a vocabulary as Transform does."""
    return _transform_output


@pytest.fixture(scope="session")
def vocabulary() -> list[str]:
    return VOCABULARY
