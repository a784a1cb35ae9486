"""The captioning task: what the training loop asks of a captioner, its data and its vocabulary."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from trainer import (
    caption_export,
    caption_features,
    caption_input,
    caption_losses,
    caption_sheet,
    export,
    runtime,
)
from trainer.caption_export import CaptionerModule
from trainer.caption_family import CaptionFamily
from trainer.caption_input import Captioned
from trainer.caption_network import Captioner
from trainer.caption_settings import CaptionConfig
from trainer.caption_step import METRICS, CaptionStep
from trainer.errors import UserError
from trainer.logs import RunFolder
from trainer.preprocessing import SPECIAL, VOCABULARY, decode, read_vocabulary

ATTENDED = 4
"""Photographs whose attention is drawn."""

Batches = Iterator[tuple[tf.Tensor, tf.Tensor]]


class CaptionTask(CaptionStep):
    """Trains a captioner; see `trainer.loop.Task`.

    Attributes:
      examples: Training images there are.
      metric_names: Names of the values that `train` returns.
    """

    metric_names = METRICS

    def __init__(
        self,
        config: CaptionConfig,
        captioner: Captioner,
        vocabulary: Sequence[str],
        training: Captioned,
        held_out: Captioned,
    ) -> None:
        super().__init__(captioner, config.train)
        self.config, self.vocabulary = config, list(vocabulary)
        self.training, self.held_out = training, held_out
        self.examples = len(training.counts)
        self.module = CaptionerModule(captioner, vocabulary, config.model)
        self._digest = _digest(vocabulary)
        self._saved_digest = tf.Variable(self._digest, dtype=tf.int64, trainable=False)

    @classmethod
    def read(cls, config: CaptionConfig, family: CaptionFamily, fn_args: Any) -> CaptionTask:
        """Read what TFX's `FnArgs` name and build the network.

        Raises:
          UserError: Settings, data and vocabulary do not belong together.
        """
        family.check(config.model)
        vocabulary = _vocabulary(fn_args.transform_output)
        side, data, train = config.model.image_size, config.data, config.train
        keras.utils.set_random_seed(train.seed)
        captioner = family.build(config, len(SPECIAL) + len(vocabulary))
        grid = None
        if config.model.cache_features:
            caption_features.check(captioner.encoder, fn_args.train_files)
            grid = tuple(captioner.encoder.output_shape[1:])
        read = functools.partial(caption_input.load, data=data, side=side, vocabulary=vocabulary)
        training = read(fn_args.train_files, grid=grid)
        held_out = read(fn_args.eval_files, grid=grid, limit=train.validation_images)
        return cls(config, captioner, vocabulary, training, held_out)

    def trackables(self) -> dict[str, Any]:
        """Everything a checkpoint must hold, and which vocabulary it speaks."""
        return {**super().trackables(), "vocabulary": self._saved_digest}

    def batches(self) -> Batches:
        """Yield batches from the present step on.

        Raises:
          UserError: The restored checkpoint was trained with another vocabulary.
        """
        if int(self._saved_digest.numpy()) != self._digest:
            raise UserError(
                "the saved state of this training belongs to another vocabulary: remove its "
                f"folder in '{self.config.checkpoint_root}' to begin again"
            )
        train = self.config.train
        return runtime.batches(
            caption_input.batches(
                self.training,
                train.batch_size,
                train.captions_per_image,
                train.seed,
                int(self.step.numpy()),
            )
        )

    @tf.function
    def train(self, batches: Batches, count: tf.Tensor) -> tf.Tensor:
        """Run `count` (int32 scalar) steps in one graph call.

        Returns:
          float32[len(metric_names)]: means over these steps.
        """
        one_step = tf.function(self.__call__, jit_compile=True) if self.config.train.jit else self
        totals = tf.zeros([len(self.metric_names)])
        for _ in tf.range(count):
            images, rows = next(batches)
            totals += one_step(images, rows)
        return totals / tf.cast(count, tf.float32)

    def trouble(self, values: dict[str, float]) -> str:
        """Say why training should stop; a captioner has no trouble but numbers that are none."""
        return ""

    def validate(self) -> dict[str, float]:
        """Score held-out sentences: nats per token, the end counted, and its exponential."""
        data, size = self.held_out, self.config.train.batch_size
        loss, tokens = 0.0, 0
        for first in range(0, len(data.counts), size):
            part = slice(first, first + size)
            losses, count = self._losses(data.seen[part], data.rows[part])
            loss, tokens = loss + float(losses), tokens + int(count)
        mean = loss / tokens
        return {"validation_loss": mean, "validation_perplexity": math.exp(min(mean, 50.0))}

    @tf.function(reduce_retracing=True)
    def _losses(self, images: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        read, targets = caption_losses.split(rows)
        logits, _ = self.captioner.teach(self.captioner.remember(images), read)
        losses = caption_losses.token_losses(logits, targets)
        return tf.reduce_sum(losses), tf.math.count_nonzero(targets)

    def sheet(self) -> np.ndarray:
        """Draw held-out photographs with the captions that the beam finds: uint8[H,W,3]."""
        shown = self.held_out.shown
        words = self._describe(self.held_out.seen[: len(shown)])["words"].numpy()
        captions = [b" ".join(filter(None, row)).decode() for row in words.tolist()]
        return caption_sheet.captioned(shown, captions)

    def report(self, logs: RunFolder) -> None:
        """Draw for each word of some captions where the decoder looked."""
        images = self.held_out.shown[:ATTENDED]
        found = self._describe(self.held_out.seen[: len(images)])
        words = [[word.decode() for word in row] for row in found["words"].numpy().tolist()]
        grid = caption_sheet.attended(images, words, found["attention"].numpy())
        logs.image(f"attention-{int(self.step.numpy()):06d}", int(self.step.numpy()), grid)

    @tf.function(reduce_retracing=True)
    def _describe(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.module.describe(images)

    def real_sheet(self) -> np.ndarray:
        """Draw the same photographs with a true caption each."""
        shown = self.held_out.shown
        rows = tf.constant(self.held_out.rows[: len(shown), 0])
        captions = decode(rows, tf.constant(self.vocabulary)).numpy().tolist()
        return caption_sheet.captioned(shown, [text.decode() for text in captions])

    def save(self, folder: str, seconds: float) -> None:
        """Export the captioner with vocabulary, card and warm-up requests."""
        config = self.config
        card = caption_export.card(config, len(self.vocabulary), self.examples, seconds)
        requests = caption_export.warmup_requests(config.model.image_size)
        export.write(self.module, folder, config.recipe, card, requests)


def _vocabulary(transform_output: str | None) -> list[str]:
    """Read the vocabulary out of Transform's graph."""
    path = None
    if transform_output:
        path = tft.TFTransformOutput(transform_output).vocabulary_file_by_name(VOCABULARY)
    if not path:
        raise UserError(
            f"there is no vocabulary '{VOCABULARY}' in '{transform_output}': captioners need the "
            "Transform node's graph"
        )
    return read_vocabulary(path)


def _digest(vocabulary: Sequence[str]) -> int:
    text = "\n".join(vocabulary).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True)
