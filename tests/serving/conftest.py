"""Small SavedModels, good and bad, pushes and a running server for the serving tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf

from serving import config
from serving.model_server import ModelServer

SIDE = 8
CAPTION = "a red circle"
I64 = tf.TensorSpec([None], tf.int64)
F32 = tf.TensorSpec([None], tf.float32)
I32 = tf.TensorSpec([None], tf.int32)
TEXT = tf.TensorSpec([None], tf.string)


class Generator(tf.Module):
    """A conditional "generator": noise by seed, brightness by label."""

    def __init__(self) -> None:
        self.gain = tf.Variable(20.0)

    def _one(self, pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        seed, label = pair
        noise = tf.random.stateless_uniform([SIDE, SIDE, 1], tf.stack([seed, label]))
        return tf.cast(noise * self.gain + 20.0 * tf.cast(label, tf.float32), tf.uint8)

    def images(self, seed: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(self._one, (seed, label), fn_output_signature=tf.uint8)

    @tf.function(input_signature=[I64, I64])
    def generate(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": tf.ensure_shape(self.images(seed, label), [None, SIDE, SIDE, 1])}

    @tf.function(input_signature=[I64, I64])
    def generate_png(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        png = tf.map_fn(tf.io.encode_png, self.images(seed, label), fn_output_signature=tf.string)
        return {"png": tf.ensure_shape(png, [None])}


class BatchDependent(Generator):
    """Breaks the promise: an image depends on the batch around it."""

    def images(self, seed: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
        return super().images(seed, label) + tf.cast(tf.shape(seed)[0], tf.uint8)


class WrongType(Generator):
    """Answers float images where uint8 is promised."""

    @tf.function(input_signature=[I64, I64])
    def generate(self, seed: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": tf.cast(self.images(seed, label), tf.float32)}


class Kit(tf.Module):
    """One signature for each corner of the contract, and a captioner."""

    @tf.function(input_signature=[F32])
    def half_plus_two(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x / 2.0 + 2.0, "twice": x * 2.0}

    @tf.function(input_signature=[F32, F32])
    def two(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": a + b}

    @tf.function(input_signature=[I32, I32])
    def divide(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"quotient": a // b}

    @tf.function(input_signature=[TEXT])
    def echo(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"text_bytes": tf.identity(text)}

    @tf.function(input_signature=[I32])
    def casts(self, v: tf.Tensor) -> dict[str, tf.Tensor]:
        kinds = (tf.uint8, tf.int64, tf.float64, tf.float16, tf.bool, tf.uint32, tf.complex64)
        return {kind.name: tf.cast(v, kind) for kind in kinds} | {
            "bfloat16": tf.cast(v, tf.bfloat16),
            "uint64": tf.cast(v, tf.uint64),
        }

    @tf.function(input_signature=[TEXT])
    def sizes(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        length = tf.cast(tf.strings.length(inputs), tf.float32)
        names = tf.fill([tf.shape(inputs)[0], 1], "bytes")
        return {"scores": length[:, tf.newaxis], "classes": names}

    @tf.function(input_signature=[TEXT])
    def lengths(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.cast(tf.strings.length(inputs), tf.float32) + 1.0}

    @tf.function(input_signature=[I32])
    def slow(self, rounds: tf.Tensor) -> dict[str, tf.Tensor]:
        grid = tf.fill([200, 200], 1.0 / 200)
        done = tf.while_loop(
            lambda i, _: i < rounds[0], lambda i, m: (i + 1, tf.matmul(m, grid)), [0, grid]
        )
        return {"sum": tf.reduce_sum(done[1])[tf.newaxis]}

    @tf.function(input_signature=[TEXT])
    def caption(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def size_of(data: tf.Tensor) -> tf.Tensor:
            return tf.cast(tf.size(tf.io.decode_image(data)), tf.float32)

        size = tf.map_fn(size_of, image_bytes, fn_output_signature=tf.float32)
        return {"caption": tf.fill(tf.shape(image_bytes), CAPTION), "log_prob": -size}


def save_generator(model: Generator, folder: Path) -> Path:
    signatures = {
        "serving_default": model.generate,
        "generate": model.generate,
        "generate_png": model.generate_png,
    }
    tf.saved_model.save(model, str(folder), signatures=signatures)
    return folder


def save_kit(folder: Path) -> Path:
    kit = Kit()
    names = ("two", "divide", "echo", "casts", "sizes", "lengths", "slow", "caption")
    signatures = {name: getattr(kit, name) for name in names}
    signatures["serving_default"] = kit.half_plus_two
    tf.saved_model.save(kit, str(folder), signatures=signatures)
    return folder


Push = Callable[[Path, Path, str | int], Path]


@pytest.fixture(scope="session")
def generator_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "generator"
    return save_generator(Generator(), folder)


@pytest.fixture(scope="session")
def kit_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_kit(tmp_path_factory.mktemp("saved") / "kit")


@pytest.fixture(scope="session")
def bad_generators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """SavedModels that load, but break a promise: "batch dependent" and "wrong type"."""
    kinds = {"batch dependent": BatchDependent(), "wrong type": WrongType()}
    root = tmp_path_factory.mktemp("bad")
    return {name: save_generator(model, root / name) for name, model in kinds.items()}


@pytest.fixture(scope="session")
def push() -> Push:
    """Put a SavedModel into a base path as a version, in one rename."""

    def put(model: Path, base: Path, version: str | int) -> Path:
        base.mkdir(parents=True, exist_ok=True)
        part = base / f"tmp-{version}"
        shutil.copytree(model, part)
        return part.rename(base / str(version))

    return put


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator_dir: Path, kit_dir: Path, push: Push
) -> Iterator[ModelServer]:
    """One server with the models "digits" (version 3) and "kit" (versions 1 and 2, "stable" 1)."""
    root = tmp_path_factory.mktemp("models")
    push(generator_dir, root / "digits", 3)
    push(kit_dir, root / "kit", "0001")
    push(kit_dir, root / "kit", 2)
    both = config.Policy()
    both.all.SetInParent()
    models = config.single("digits", root / "digits")
    models["kit"] = config.ModelSettings("kit", root / "kit", both, {"stable": 1})
    with ModelServer(models, port=0, rest_port=0, poll_s=0.05) as running:
        yield running
