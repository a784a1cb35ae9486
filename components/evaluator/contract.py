"""What a generator must keep to: signature, types, size, and one seed, one image."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

SIGNATURE = "generate"
PROBES = 8
"""Seeds of the first look: enough to tell one image for all from different images."""


class ContractError(Exception):
    """The model breaks the contract; the message is a reason for the verdict."""


class Generator:
    """A SavedModel's signature `generate`, checked on the way in and out.

    Attributes:
      output: What the signature answers with.
      dtype: Of the output.
      rank: Dimensions of the output, the batch included.
      because: Why it must be of this type.
      conditional: Whether it is asked for a class.
    """

    output, dtype, rank = "image", tf.uint8, 4
    because = "it must be uint8 in 0 to 255, so that clients and scores see the same finite pixels"

    def __init__(self, model_path: str) -> None:
        try:
            self._model = tf.saved_model.load(model_path)
        except Exception as error:
            raise ContractError(f"the model cannot be loaded: {brief(error)}") from error
        signatures = getattr(self._model, "signatures", {})
        if SIGNATURE not in signatures:
            known = ", ".join(sorted(signatures)) or "none"
            raise ContractError(f"the model has no signature '{SIGNATURE}' (it has: {known})")
        self._function = signatures[SIGNATURE]
        inputs = self._function.structured_input_signature[1]
        _check_inputs(inputs)
        self._check_output(self._function.structured_outputs)
        self.conditional = "label" in inputs

    def __call__(self, seeds: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Generate uint8[B,H,W,C] from int64[B] seeds and labels (ignored if unconditional).

        Raises:
          ContractError: It raises, or the result is not one uint8 image per seed.
        """
        inputs: dict[str, Any] = {"seed": tf.constant(seeds, tf.int64)}
        if self.conditional:
            inputs["label"] = tf.constant(labels, tf.int64)
        where = f"for seeds {seeds[0]} to {seeds[-1]}"
        try:
            images = self._function(**inputs)[self.output].numpy()
        except Exception as error:
            raise ContractError(f"the model raises {where}: {brief(error)}") from error
        if images.ndim != self.rank or len(images) != len(seeds):
            raise ContractError(f"the model answers {len(seeds)} seeds with shape {images.shape}")
        return images

    def _check_output(self, outputs: dict[str, tf.TensorSpec]) -> None:
        if self.output not in outputs:
            known = ", ".join(sorted(outputs)) or "none"
            raise ContractError(
                f"signature '{SIGNATURE}' has no output '{self.output}' (it has: {known})"
            )
        dtype = outputs[self.output].dtype
        if dtype != self.dtype:
            raise ContractError(f"output '{self.output}' is {dtype.name}; {self.because}")

    def labels(self, seeds: np.ndarray, classes: int) -> np.ndarray:
        """Return the classes to ask for, int64[B], in turn; -1 for an unconditional model."""
        return seeds % classes if self.conditional else np.full(len(seeds), -1)

    def probe(self, image_shape: tuple[int, ...]) -> None:
        """Look at a few images before thousands are made.

        Args:
          image_shape: (height, width, channels) of the data.

        Raises:
          ContractError: Wrong size, an image that ignores its seed, or one that depends on its
            batch.
        """
        seeds, labels = np.arange(PROBES), np.zeros(PROBES, np.int64)
        images = self(seeds, labels)
        shape = images.shape[1:]
        if shape != image_shape:
            raise ContractError(
                f"the model's {self.output}s are {size_words(shape)}, the data's are "
                f"{size_words(image_shape)}"
            )
        if (images == images[0]).all():
            raise ContractError(
                f"the model makes the same {self.output} from seeds 0 to {PROBES - 1}: it ignores "
                "its seed"
            )
        for part in (slice(3, 4), slice(1, PROBES - 1)):
            check_same(seeds[part], images[part], self(seeds[part], labels[part]), self.output)


def check_same(
    seeds: np.ndarray, first: np.ndarray, again: np.ndarray, what: str = "image"
) -> None:
    """Demand that two answers for the same seeds and labels are identical.

    Raises:
      ContractError: Some seed gave two different images.
    """
    differs = (first != again).reshape(len(first), -1).any(axis=1)
    if differs.any():
        raise ContractError(
            f"seed {seeds[differs.argmax()]} gives another {what} in another batch: "
            "the figures could not be repeated"
        )


def _check_inputs(inputs: dict[str, tf.TensorSpec]) -> None:
    if "seed" not in inputs:
        known = ", ".join(sorted(inputs)) or "none"
        raise ContractError(f"signature '{SIGNATURE}' has no input 'seed' (it has: {known})")
    others = sorted(set(inputs) - {"seed", "label"})
    if others:
        raise ContractError(f"signature '{SIGNATURE}' asks for unknown inputs: {', '.join(others)}")
    for name, spec in inputs.items():
        if spec.dtype != tf.int64:
            raise ContractError(f"input '{name}' is {spec.dtype.name}; it must be int64")


def size_words(shape: tuple[int, ...]) -> str:
    """Write (28, 28, 1) as 28x28x1."""
    return "x".join(str(side) for side in shape)


def brief(error: Exception, limit: int = 200) -> str:
    """Return an error's message on one line, cut to `limit` characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
