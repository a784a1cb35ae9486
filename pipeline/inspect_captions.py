"""The stages of `genvision inspect` that only captions have, or that look otherwise for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.inspect import describe
from pipeline.lineage import Lineage
from pipeline.paths import Paths
from pipeline.recipe import CaptionRecipe, Recipe
from trainer.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from components.contact_sheet import Item


class _Row(NamedTuple):
    """A checked example and its first caption on the way through Transform's vocabulary."""

    identity: str
    image: bytes
    caption: str
    tokens: np.ndarray
    """int64[T]"""
    spoken: str
    """the tokens as words again"""


def tokens(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    """Show the first caption of each image as tokens, and what these say."""
    from components.contact_sheet import Item, open_image

    unknown = _preprocessing().UNKNOWN
    return [
        Item(
            {
                "id": row.identity,
                "caption": row.caption,
                "tokens": _joined(row.tokens),
                "unknown": str(int((row.tokens == unknown).sum())),
                "words": row.spoken,
            },
            open_image(row.image),
            row.spoken,
        )
        for row in _rows(recipe, paths, count)
    ]


def batch(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    """Show images fitted and scaled as the network sees them, beside their tokens."""
    rows = _rows(recipe, paths, count)
    import tensorflow as tf
    from PIL import Image

    from components.contact_sheet import Item

    # By name: nothing here imports the trainer's code.
    photos, reader = (importlib.import_module(f"trainer.{name}") for name in ("photos", "input"))
    side = _captions(recipe).model.image_size
    pixels = photos.read(tf.constant([row.image for row in rows]), side)
    values = reader.to_float(pixels).numpy()
    return [
        Item(
            {"id": row.identity, **describe(value), "tokens": _joined(row.tokens)},
            Image.fromarray(picture),
            row.spoken,
        )
        for row, value, picture in zip(rows, values, pixels.numpy(), strict=True)
    ]


def sample(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    """Show what the newest trained model says of held-out images, beside a person's words."""
    lineage = Lineage.of(paths.metadata, recipe.name)
    model = lineage.latest("Trainer", "model").uri
    examples = _examples(lineage.latest("DataCheck", "checked").uri, "eval", count)
    import tensorflow as tf

    from components.contact_sheet import Item, open_image

    caption = tf.saved_model.load(f"{model}/Format-Serving").signatures["caption"]
    said = caption(image_bytes=tf.constant([image for _, image, _ in examples]))
    return [
        Item(
            {
                "id": identity,
                "caption": text.decode(),
                "log_prob": f"{score:.3f}",
                "a person": reference,
            },
            open_image(image),
            text.decode(),
        )
        for (identity, image, reference), text, score in zip(
            examples, said["caption"].numpy(), said["log_prob"].numpy(), strict=True
        )
    ]


def _rows(recipe: Recipe, paths: Paths, count: int) -> list[_Row]:
    """Encode the first captions of the first training images, and decode them again."""
    lineage = Lineage.of(paths.metadata, recipe.name)
    checked = lineage.latest("DataCheck", "checked").uri
    graph = lineage.latest("Transform", "transform_graph").uri
    import tensorflow as tf
    import tensorflow_transform as tft

    code = _preprocessing()
    examples = _examples(checked, "train", count)
    file = tft.TFTransformOutput(graph).vocabulary_file_by_name(code.VOCABULARY)
    words = code.read_vocabulary(file)
    captions = tf.constant([caption for *_, caption in examples])
    rows = code.encode(captions, code.lookup(words).lookup, _captions(recipe).captions.length)
    spoken = code.decode(rows, tf.constant(words, tf.string)).numpy()
    return [
        _Row(*example, row, text.decode())
        for example, row, text in zip(examples, rows.numpy(), spoken, strict=True)
    ]


def _examples(uri: str, split: str, count: int) -> list[tuple[str, bytes, str]]:
    """Read id, encoded image and first caption of the first examples of a split."""
    import tensorflow as tf

    from components.contact_sheet import read_split
    from trainer.features import CAPTIONS, ID, IMAGE

    found = []
    for payload in read_split(uri, count, split):
        features = tf.train.Example.FromString(payload).features.feature
        identity, image, caption = (
            features[key].bytes_list.value[0] for key in (ID, IMAGE, CAPTIONS)
        )
        found.append((identity.decode(), image, caption.decode()))
    return found


def _captions(recipe: Recipe) -> CaptionRecipe:
    if not isinstance(recipe, CaptionRecipe):
        raise UserError(f"recipe '{recipe.name}' has no captions")
    return recipe


def _preprocessing() -> Any:
    return importlib.import_module("trainer.preprocessing")


def _joined(row: np.ndarray) -> str:
    """Write tokens in a row, without the padding."""
    return " ".join(str(token) for token in row if token != _preprocessing().PAD)
