"""A tiny data set on disk and the settings of a training that takes a second."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer.gan_settings import GanConfig, GanModel, GanTrain
from trainer.settings import DataSettings


def _write_examples(root: Path, images: np.ndarray, labels: np.ndarray) -> str:
    """Write an Examples artifact with one train split; return its file pattern."""
    split = root / "Split-train"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for image, label in zip(images, labels, strict=True):
            feature = {
                "image": tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[tf.io.encode_png(image).numpy()])
                ),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    (root / "manifest.json").write_text(json.dumps({"fingerprint": "f00d"}))
    return str(split / "*")


@pytest.fixture(scope="session")
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Forty 8x8 images of two classes: left half bright, right half bright."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (40, 8, 8, 1), dtype=np.uint8)
    labels = np.arange(40, dtype=np.int64) % 2
    images[labels == 0, :, :4] += 180
    images[labels == 1, :, 4:] += 180
    return images, labels


def _make_fn_args(
    root: Path, pictures: tuple[np.ndarray, np.ndarray], run: str = "a", **train: object
) -> SimpleNamespace:
    """Build TFX-like FnArgs below `root`; keywords change the training's settings."""
    pattern = str(root / "examples" / "Split-train" / "*")
    if not (root / "examples").exists():
        _write_examples(root / "examples", *pictures)
    settings = {
        "steps": 20,
        "batch_size": 8,
        "steps_per_call": 5,
        "sheet_every": 10,
        "checkpoint_every": 10,
        "translation": 1,
        "r1_gamma": 0.1,
    }
    config = GanConfig(
        data=DataSettings(dataset="halves", image_shape=(8, 8, 1), label_names=("l", "r")),
        model=GanModel(
            family="cgan", latent_size=4, generator_channels=(8, 8), discriminator_channels=(8, 8)
        ),
        train=GanTrain.model_validate({**settings, **train}),
        checkpoint_root=str(root / "checkpoints"),
        recipe="name: halves\n",
    )
    return SimpleNamespace(
        train_files=[pattern],
        serving_model_dir=str(root / run / "Format-Serving"),
        model_run_dir=str(root / run / "run"),
        base_model=None,
        custom_config={"trainer": config.model_dump_json()},
    )


@pytest.fixture
def fn_args(tmp_path: Path, pictures: tuple[np.ndarray, np.ndarray]):
    """Return `make_fn_args` for this test's own folder."""
    return functools.partial(_make_fn_args, tmp_path, pictures)


@pytest.fixture(scope="session")
def make_fn_args():
    """Return the function behind `fn_args`, for fixtures of wider scope."""
    return _make_fn_args


@pytest.fixture(scope="session")
def write_examples():
    """Return the function that writes an Examples artifact."""
    return _write_examples
