"""What a captioner must keep to: signatures, words in every caption, finite figures, no moods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.evaluator.contract import ContractError, brief

INPUTS = {
    "caption": {"image_bytes": tf.string},
    "score": {"image_bytes": tf.string, "caption": tf.string},
    "attention": {"image_bytes": tf.string},
}
"""Signature -> its inputs."""

OUTPUTS = {
    "caption": {"caption": tf.string, "log_prob": tf.float32},
    "score": {"loss": tf.float32, "tokens": tf.int32},
    "attention": {"words": tf.string, "attention": tf.float32},
}
"""Signature -> its outputs."""

OPTIONAL = ("attention",)
TOLERANCE = 1e-3
"""Relative difference of figures that another batch size may bring about."""

_SPECIAL = re.compile(r"<\s*(pad|start|end|unk|unknown|bos|eos)\s*>", re.IGNORECASE)


class Captioner:
    """A SavedModel's caption signatures, checked on the way in and out."""

    def __init__(self, model_path: str) -> None:
        try:
            self._model = tf.saved_model.load(model_path)
        except Exception as error:
            raise ContractError(f"the model cannot be loaded: {brief(error)}") from error
        self._functions = getattr(self._model, "signatures", {})
        for name in INPUTS:
            if name in self._functions:
                _check_signature(name, self._functions[name])
            elif name not in OPTIONAL:
                known = ", ".join(sorted(self._functions)) or "none"
                raise ContractError(f"the model has no signature '{name}' (it has: {known})")
        self.attends = "attention" in self._functions

    def caption(self, ids: Sequence[str], images: Sequence[bytes]) -> tuple[list[str], np.ndarray]:
        """Caption B images: their captions and log probabilities, float32[B].

        Raises:
          ContractError: It raises, or an answer is no caption.
        """
        found = self._call("caption", ids, image_bytes=_texts(images))
        captions = [text.decode("utf-8", "replace") for text in found["caption"].tolist()]
        for name, caption in zip(ids, captions, strict=True):
            if not re.search(r"\w", caption):
                raise ContractError(f"the caption of image {name} is empty")
            if special := _SPECIAL.search(caption):
                raise ContractError(
                    f"the caption of image {name} holds the token '{special[0]}': {caption[:80]!r}"
                )
        _check_finite("log_prob", ids, found["log_prob"])
        return captions, found["log_prob"]

    def score(
        self, ids: Sequence[str], images: Sequence[bytes], captions: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return nats, float32[B], and words with end token, int32[B], of B given captions.

        Raises:
          ContractError: It raises, or an answer is no loss.
        """
        given = [caption.encode() for caption in captions]
        found = self._call("score", ids, image_bytes=_texts(images), caption=_texts(given))
        _check_finite("loss", ids, found["loss"])
        for name, tokens in zip(ids, found["tokens"].tolist(), strict=True):
            if tokens < 1:
                raise ContractError(
                    f"output 'tokens' is {tokens} for image {name}; the end token alone makes 1"
                )
        return found["loss"], found["tokens"]

    def attention(
        self, ids: Sequence[str], images: Sequence[bytes]
    ) -> list[tuple[list[str], np.ndarray]]:
        """Return for each image the words of its caption and where each looks, float32[T,h,w].

        Raises:
          ContractError: It raises, or the maps do not fit the words.
        """
        found = self._call("attention", ids, image_bytes=_texts(images))
        words, maps = found["words"], found["attention"]
        if maps.ndim != 4 or maps.shape[:2] != words.shape or not np.isfinite(maps).all():
            raise ContractError(
                f"output 'attention' is no finite map for each word: words have the shape "
                f"{words.shape}, maps {maps.shape}"
            )
        looks = []
        for texts, weights in zip(words.tolist(), maps, strict=True):
            kept = [row for row, word in enumerate(texts) if word]
            looks.append(([texts[row].decode("utf-8", "replace") for row in kept], weights[kept]))
        return looks

    def _call(self, signature: str, ids: Sequence[str], **inputs: Any) -> dict[str, np.ndarray]:
        where = f"for images {ids[0]} to {ids[-1]}" if len(ids) > 1 else f"for image {ids[0]}"
        try:
            found = {k: v.numpy() for k, v in self._functions[signature](**inputs).items()}
        except Exception as error:
            raise ContractError(f"'{signature}' raises {where}: {brief(error)}") from error
        for name in OUTPUTS[signature]:
            shape = found[name].shape
            if not shape or shape[0] != len(ids):
                raise ContractError(
                    f"'{signature}' answers {len(ids)} images with '{name}' of shape {shape}"
                )
        return found


def probe(captioner: Captioner, ids: Sequence[str], images: Sequence[bytes]) -> None:
    """Look at a few images before all are captioned: alone and together must be the same.

    Args:
      captioner: The model.
      ids: Names of at least two images.
      images: The images, encoded.

    Raises:
      ContractError: A caption or its probability depends on the batch around it.
    """
    together, log_probs = captioner.caption(ids, images)
    for row in {0, len(ids) - 1}:
        alone, log_prob = captioner.caption([ids[row]], [images[row]])
        same = np.isclose(log_prob[0], log_probs[row], rtol=TOLERANCE, atol=TOLERANCE)
        if alone[0] != together[row] or not same:
            raise ContractError(
                f"image {ids[row]} gets another caption alone ({alone[0]!r}, {log_prob[0]:.4g}) "
                f"than in a batch ({together[row]!r}, {log_probs[row]:.4g}): the figures could not "
                "be repeated"
            )


def _check_signature(name: str, function: Any) -> None:
    inputs, outputs = function.structured_input_signature[1], function.structured_outputs
    for kind, have, want in (("input", inputs, INPUTS), ("output", outputs, OUTPUTS)):
        for key, dtype in want[name].items():
            if key not in have:
                known = ", ".join(sorted(have)) or "none"
                raise ContractError(f"signature '{name}' has no {kind} '{key}' (it has: {known})")
            if have[key].dtype != dtype:
                raise ContractError(
                    f"{kind} '{key}' of signature '{name}' is {have[key].dtype.name}; "
                    f"it must be {dtype.name}"
                )
    others = sorted(set(inputs) - set(INPUTS[name]))
    if others:
        raise ContractError(f"signature '{name}' asks for unknown inputs: {', '.join(others)}")


def _check_finite(output: str, ids: Sequence[str], values: np.ndarray) -> None:
    for name, value in zip(ids, values.tolist(), strict=True):
        if not np.isfinite(value):
            raise ContractError(f"output '{output}' is {value} for image {name}")


def _texts(values: Sequence[bytes]) -> tf.Tensor:
    return tf.constant(list(values), tf.string)
