"""GANs of single numbers, trained to the accuracy that is promised, through export and back."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer.run_fn import run_fn

MODES = [(10.0, 0.1), (100.0, 1.0)]
SETTINGS = {
    "steps": 4000, "batch_size": 128, "steps_per_call": 1000, "sheet_every": 2000,
    "checkpoint_every": 2000, "loss": "non_saturating", "beta_1": 0.5, "r1_gamma": 0.1,
    "generator_learning_rate": 1e-3, "discriminator_learning_rate": 1e-3, "ema_half_life": 50_000,
}  # fmt: skip


def write_values(root: Path, modes: list[tuple[float, float]], count: int = 20_000) -> str:
    """Write numbers of each mode in turn; return their file pattern."""
    random, split = np.random.default_rng(0), root / "Split-train"
    split.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(split / "data-00000-of-00001.gz"), "GZIP") as writer:
        for index in range(count):
            label = index % len(modes)
            value = tf.train.FloatList(value=[random.normal(*modes[label])])
            features = {
                "value": tf.train.Feature(float_list=value),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    (root / "manifest.json").write_text(json.dumps({"fingerprint": "f00d"}))
    return str(split / "*")


def train(root: Path, family: str, modes: list[tuple[float, float]]) -> tuple[Path, Path]:
    """Train; return the folders of the model and of the run."""
    names = [str(mean) for mean, _ in modes] if len(modes) > 1 else []
    widths = {"generator_channels": [32, 32], "discriminator_channels": [32, 32]}
    config = {
        "data": {"dataset": "gaussian", "image_shape": [1, 1, 1], "label_names": names},
        "model": {"family": family, "labels": "concatenation", "latent_size": 4, **widths},
        "train": SETTINGS,
        "checkpoint_root": str(root / "checkpoints"),
    }
    run_fn(
        SimpleNamespace(
            train_files=[write_values(root / "examples", modes)],
            serving_model_dir=str(root / "model"),
            model_run_dir=str(root / "run"),
            custom_config={"trainer": json.dumps(config)},
        )
    )
    return root / "model", root / "run"


def test_one_mode_within_the_promised_bounds(tmp_path: Path) -> None:
    model, run = train(tmp_path, "gaussian_gan", MODES[:1])
    generate = tf.saved_model.load(str(model)).signatures["generate"]
    values = generate(seed=tf.range(10_000, dtype=tf.int64))["value"].numpy()
    assert values.shape == (10_000, 1) and values.dtype == np.float32
    assert values.mean() == pytest.approx(10, abs=0.05)
    assert values.std() == pytest.approx(0.1, abs=0.03)
    one = generate(seed=tf.constant([7], tf.int64))["value"].numpy()
    np.testing.assert_array_equal(one[0], values[7])
    assert {"reals.png", "samples-004000.png", "training.gif"} <= {p.name for p in run.iterdir()}


def test_both_modes_by_label_within_two_percent_of_their_mean(tmp_path: Path) -> None:
    model, _ = train(tmp_path, "gaussian_cgan", MODES)
    generate = tf.saved_model.load(str(model)).signatures["generate"]
    seeds = tf.range(4000, dtype=tf.int64)
    for label, (mean, _) in enumerate(MODES):
        values = generate(seed=seeds, label=tf.fill([4000], tf.constant(label, tf.int64)))["value"]
        assert float(tf.reduce_mean(values)) == pytest.approx(mean, rel=0.02)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"label must be in \[0, 1\]"):
        generate(seed=seeds[:1], label=tf.constant([2], tf.int64))
