"""What a frozen encoder sees, as bytes: made once by a pipeline node, read by every training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainer import encoders, photos
from trainer.caption_settings import CaptionModel
from trainer.errors import UserError
from trainer.features import MANIFEST
from trainer.input import to_float

DTYPE = np.float16
"""Half precision: what is lost is far below what dropout adds."""


class Extractor:
    """Encoded images to encoded grids.

    Attributes:
      digest: Fingerprint of the encoder's weights.
    """

    def __init__(self, settings: str) -> None:
        """Build the encoder.

        Args:
          settings: `CaptionModel` as JSON.

        Raises:
          UserError: The encoder is not frozen, or its weights cannot be had.
        """
        model = CaptionModel.model_validate_json(settings)
        if not encoders.frozen(model):
            raise UserError(
                "model.cache_features needs an encoder that stays as it is: name a backbone with "
                "weights in model.encoder and model.encoder_weights, and set model.fine_tune=false"
            )
        self._encoder, self._side = encoders.build(model), model.image_size
        self.digest = digest(self._encoder)
        self._run = tf.function(self._grids, input_signature=[tf.TensorSpec([None], tf.string)])

    def __call__(self, images: Sequence[bytes]) -> list[bytes]:
        """Encode images: B JPEG or PNG files to B times float16[h,w,C] as bytes."""
        grids = self._run(tf.constant(list(images))).numpy().astype(DTYPE)
        return [grid.tobytes() for grid in grids]

    def _grids(self, images: tf.Tensor) -> tf.Tensor:
        pixels = to_float(photos.read(images, self._side))
        return tf.cast(self._encoder(pixels, training=False), tf.float32)


def digest(encoder: keras.Model) -> str:
    """Fingerprint weights, in order."""
    total = hashlib.blake2b(digest_size=16)
    for weight in encoder.get_weights():
        total.update(np.ascontiguousarray(weight).tobytes())
    return total.hexdigest()


def check(encoder: keras.Model, patterns: Sequence[str]) -> None:
    """Check that cached features are this encoder's.

    Args:
      encoder: The encoder that will be exported.
      patterns: File patterns of the examples.

    Raises:
      UserError: The examples hold no features, or those of other weights.
    """
    with tf.io.gfile.GFile(str(Path(patterns[0]).parent.parent / MANIFEST)) as file:
        known = json.load(file).get("encoder")
    if known != digest(encoder):
        found = "were made by an encoder with other weights" if known else "are not there"
        raise UserError(f"the cached features {found}: run the EncoderFeatures node again")
