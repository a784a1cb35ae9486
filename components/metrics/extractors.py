"""Feature extractors by name: packaged classifiers of one data set each, or the Inception network.

A name is that of a packaged classifier ("digits"), the path of a classifier's weights (.npz), or
`inception:` and the path of the weights that pytorch-fid publishes
(`inception:/data/pt_inception-2015-12-05-6726825d.pth`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import UserError, unknown_name

WEIGHTS = Path(__file__).parent / "weights"
INCEPTION = "inception"


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known about an extractor; stored as JSON beside its weights.

    Attributes:
      name: Protocol name that figures carry, for example "digits-cnn".
      dataset: Data set of its training, by name and version.
      version: Version of that data set.
      image_shape: (height, width, channels) of its images, uint8; None reads every size.
      classes: Number of classes K.
      width: Width of the network; see `network.classifier`.
      stages: Its number of stages.
      feature_dim: Number of features D.
      train_images: Images it was trained on (the train split only).
      test_images: Held-out images its accuracy was measured on.
      test_accuracy: Share of held-out images recognised, with the stored weights; None where
        nobody measured it here.
      fingerprint: SHA-256 of the weights file, hexadecimal.
      remake: The command that makes it again.
    """

    name: str
    dataset: str
    version: str
    image_shape: tuple[int, int, int] | None
    classes: int
    width: int
    stages: int
    feature_dim: int
    train_images: int
    test_images: int
    test_accuracy: float | None
    fingerprint: str
    remake: str

    def knows(self, dataset: str) -> bool:
        """Whether its classes are those of a data set, so that they say what a sample shows."""
        return self.dataset == dataset


class Extractor:
    """Maps images to features and class probabilities; the result ignores the batch around."""

    def __init__(self, card: Card, stored: dict[str, np.ndarray]) -> None:
        self.card = card
        self._run = _inception(stored) if card.name == INCEPTION else _classifier(card, stored)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Extract uint8[B,H,W,C] -> features float32[B,D], probabilities float32[B,K].

        Raises:
          UserError: Images of another size than the extractor's.
        """
        check_size(self.card, images.shape[1:], "given are images")
        features, probabilities = self._run(images)
        return features.numpy(), probabilities.numpy()


def check_size(card: Card, shape: tuple[int, ...], what: str) -> None:
    """Compare images' (height, width, channels) with what an extractor reads.

    Raises:
      UserError: Another size.
    """
    if card.image_shape not in (None, shape):
        raise UserError(
            f"extractor '{card.name}' reads images of {card.image_shape}, {what} of {shape}; "
            "choose the extractor of this data set"
        )


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
            "`genvision extractor train`"
        ) from error


def load(name: str) -> Extractor:
    """Load an extractor by its name; see the module's first lines.

    Raises:
      UserError: No such extractor; its file is missing, damaged or not the one of the card.
    """
    if name.startswith(f"{INCEPTION}:"):
        return _load_inception(name.removeprefix(f"{INCEPTION}:"))
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


def identity(name: str) -> str:
    """Return the fingerprint of an extractor's weights; the name itself where the file is not here.

    Raises:
      UserError: No packaged extractor has this name.
    """
    if name.startswith(f"{INCEPTION}:"):
        path = Path(name.removeprefix(f"{INCEPTION}:"))
        if not path.is_file():
            return name
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return read_card(name).fingerprint if _file(name).with_suffix(".json").is_file() else name


def _load_inception(path: str) -> Extractor:
    import tensorflow as tf

    from components.metrics import torch_weights
    from components.metrics.inception import CLASSES, FEATURES

    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
        card = Card(
            name=INCEPTION,
            dataset="imagenet",
            version="2015-12-05",
            image_shape=None,
            classes=CLASSES,
            width=0,
            stages=0,
            feature_dim=FEATURES,
            train_images=0,
            test_images=0,
            test_accuracy=None,
            fingerprint=fingerprint(content),
            remake="",
        )
        return Extractor(card, torch_weights.read(content))
    except (tf.errors.OpError, ValueError, KeyError) as error:
        raise UserError(
            f"the Inception weights '{path}' cannot be used: {' '.join(str(error).split())}; give "
            "the file pt_inception-2015-12-05-6726825d.pth that pytorch-fid publishes, as "
            f"{INCEPTION}:/path/to/it"
        ) from error


def _inception(stored: dict[str, np.ndarray]) -> Callable[[np.ndarray], Any]:
    from components.metrics.inception import Inception

    return Inception(stored)


def _classifier(card: Card, stored: dict[str, np.ndarray]) -> Callable[[np.ndarray], Any]:
    import tensorflow as tf

    from components.metrics.network import classifier, set_weights

    shape = card.image_shape
    if shape is None:
        raise ValueError("its card names no image size")
    _, model = classifier(shape, card.classes, card.width, card.stages)
    set_weights(model, stored)

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.uint8)])
    def run(images: Any) -> Any:
        features, logits = model(tf.cast(images, tf.float32) / 255.0, training=False)
        return features, tf.nn.softmax(logits)

    return run


def _file(name: str) -> Path:
    if os.sep in name or name.endswith(".npz"):
        return Path(name)
    if name not in names():
        raise unknown_name("extractor", name, [*names(), f"{INCEPTION}:PATH"])
    return WEIGHTS / f"{name}.npz"
