"""Feature extractors by name: packaged classifiers of one data set each, fixed by a fingerprint."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import UserError, unknown_name

WEIGHTS = Path(__file__).parent / "weights"


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known about an extractor; stored as JSON beside its weights.

    Attributes:
      name: Protocol name that figures carry, for example "digits-cnn".
      dataset: Data set of its training, by name and version.
      version: Version of that data set.
      image_shape: (height, width, channels) of its images, uint8.
      classes: Number of classes K.
      width: Width of the network; see `network.classifier`.
      feature_dim: Number of features D.
      train_images: Images it was trained on (the train split only).
      test_images: Held-out images its accuracy was measured on.
      test_accuracy: Share of held-out images recognised, with the stored weights.
      fingerprint: SHA-256 of the weights file, hexadecimal.
      remake: The command that makes it again.
    """

    name: str
    dataset: str
    version: str
    image_shape: tuple[int, int, int]
    classes: int
    width: int
    feature_dim: int
    train_images: int
    test_images: int
    test_accuracy: float
    fingerprint: str
    remake: str


class Extractor:
    """Maps images to features and class probabilities; the result ignores the batch around."""

    def __init__(self, card: Card, stored: dict[str, np.ndarray]) -> None:
        import tensorflow as tf

        from components.metrics.network import classifier, set_weights

        self.card = card
        _, model = classifier(card.image_shape, card.classes, card.width)
        set_weights(model, stored)

        @tf.function(input_signature=[tf.TensorSpec((None, *card.image_shape), tf.uint8)])
        def run(images: Any) -> Any:
            features, logits = model(tf.cast(images, tf.float32) / 255.0, training=False)
            return features, tf.nn.softmax(logits)

        self._run = run

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Extract uint8[B,H,W,C] -> features float32[B,D], probabilities float32[B,K].

        Raises:
          UserError: Images of another size than the extractor's.
        """
        if images.shape[1:] != self.card.image_shape:
            raise UserError(
                f"extractor '{self.card.name}' reads images of {self.card.image_shape}, "
                f"not {images.shape[1:]}; choose the extractor of this data set"
            )
        features, probabilities = self._run(images)
        return features.numpy(), probabilities.numpy()


def names() -> list[str]:
    """Return the packaged extractors."""
    return sorted(path.stem for path in WEIGHTS.glob("*.json"))


def read_card(name: str) -> Card:
    """Read the card of a packaged extractor, or of a weights file given by its path.

    Raises:
      UserError: No such extractor, or its card cannot be read.
    """
    path = _file(name).with_suffix(".json")
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return Card(**{**fields, "image_shape": tuple(fields["image_shape"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"the extractor's card {path} cannot be read ({error}); make the extractor again with "
            "`python -m components.metrics.train_extractor`"
        ) from error


def load(name: str) -> Extractor:
    """Load a packaged extractor, or a weights file given by its path.

    Raises:
      UserError: No such extractor; its file is missing, damaged or not the one of the card.
    """
    card, path = read_card(name), _file(name)
    try:
        content = path.read_bytes()
        if fingerprint(content) != card.fingerprint:
            raise ValueError("its fingerprint is not the one of its card")
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return Extractor(card, dict(stored))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"the extractor's weights {path} cannot be used: {error}; restore the file or make it "
            f"again with `{card.remake}`"
        ) from error


def fingerprint(content: bytes) -> str:
    """Return the SHA-256 of a weights file's bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _file(name: str) -> Path:
    if os.sep in name or name.endswith(".npz"):
        return Path(name)
    if name not in names():
        raise unknown_name("extractor", name, names())
    return WEIGHTS / f"{name}.npz"
