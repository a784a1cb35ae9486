"""Small SavedModels that the serving tests share, good ones and bad ones."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

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
    names = ("two", "divide", "echo", "casts", "slow", "caption")
    signatures = {name: getattr(kit, name) for name in names}
    signatures["serving_default"] = kit.half_plus_two
    tf.saved_model.save(kit, str(folder), signatures=signatures)
    return folder
