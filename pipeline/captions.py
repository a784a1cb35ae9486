"""Wires TFX's Transform for captions: vocabulary and tokens; pixels go around it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfx import types
from tfx.components import Transform
from tfx.proto import transform_pb2

from components.encoder_features.component import EncoderFeatures
from pipeline.recipe import Captions
from trainer.caption_settings import CaptionModel


def caption_transform(
    captions: Captions, examples: types.BaseChannel, schema: types.BaseChannel
) -> Transform:
    """Make the node that finds the vocabulary of the training captions.

    Only the graph and the vocabulary are made, no second copy of the data: the trainer applies the
    same code (`trainer.preprocessing`) to the checked examples, whose images stay encoded bytes.

    Args:
      captions: The recipe's section.
      examples: Checked examples.
      schema: The reviewed schema.

    Returns:
      The node; its `transform_graph` is what the Trainer reads.
    """
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="trainer.preprocessing.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        materialize=False,
        disable_statistics=True,
        custom_config={
            "caption_length": captions.length,
            "caption_min_count": captions.min_count,
        },
    )


def encoder_features(model: CaptionModel, examples: types.BaseChannel) -> EncoderFeatures:
    """Make the node that runs a frozen encoder once over all images.

    Args:
      model: The recipe's section.
      examples: Checked examples.

    Returns:
      The node; the Trainer reads the examples that it `featured`.
    """
    about = {"family", "encoder", "encoder_weights", "fine_tune", "image_size"}
    return EncoderFeatures(
        examples=examples,
        extractor="trainer.caption_features:Extractor",
        settings=model.model_dump_json(include=about),
        weights=_fingerprint(model.encoder_weights),
    )


def _fingerprint(weights: str) -> str:
    """Fingerprint a weights file; a name stands for itself, and so does a file not there yet."""
    if not Path(weights).is_file():
        return weights
    with Path(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
