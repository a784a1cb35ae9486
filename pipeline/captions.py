"""Wires TFX's Transform for captions: vocabulary and tokens; pixels go around it."""

from __future__ import annotations

from tfx import types
from tfx.components import Transform
from tfx.proto import transform_pb2

from pipeline.recipe import Captions


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
