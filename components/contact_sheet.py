"""Shows a person what is stored: the first records or examples as a table and one picture."""

from __future__ import annotations

import dataclasses
import io
import itertools
import math
import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

from components.datasets.base import DatasetSpec
from trainer.errors import UserError
from trainer.features import CAPTIONS, ID, IMAGE, VALUE

CELL = 96
"""Side of a picture in the sheet, in pixels."""

LINE, GAP = 14, 6
TEXT_LIMIT = 60

WIDE, LINE_WIDTH, LINES = 192, 32, 3
"""Side of a picture above a sentence, characters in a line of it, and lines at most."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One stored example.

    Attributes:
      facts: Feature -> what it holds, worded for a table cell.
      image: The decoded image; None if the bytes are missing or no image.
      sentence: What stands below the image instead of its label: the first caption, if any.
    """

    facts: dict[str, str]
    image: Image.Image | None
    sentence: str = ""


def records(
    spec: DatasetSpec, data_dir: str | os.PathLike[str], count: int, split: str | None = None
) -> list[Item]:
    """Read the first records of a TFDS split, under the names that TFDS gave their features.

    Args:
      spec: The data set; prepared in `data_dir` if it is not there yet.
      data_dir: Folder of prepared TFDS data.
      count: How many records, at least 1.
      split: TFDS split; None for the first.

    Returns:
      At most `count` items in stored order.

    Raises:
      UserError: Count below one, unknown split, or the data cannot be had.
    """
    from components.datasets.prepare import prepare

    _check_count(count)
    splits = prepare(spec, data_dir).info.splits
    split = split or next(iter(splits))
    if split not in splits:
        raise UserError(f"no split '{split}' in dataset '{spec.name}': known: {', '.join(splits)}")
    files = [file.filename for file in splits[split].file_instructions]
    return _items(_read(files, "", count), spec.image_feature, spec.captions_feature)


def examples(uri: str | os.PathLike[str], count: int, split: str = "train") -> list[Item]:
    """Read the first examples of a split of an Examples artifact.

    Args:
      uri: The artifact's folder.
      count: How many examples, at least 1.
      split: Output split.

    Returns:
      At most `count` items in stored order.

    Raises:
      UserError: Count below one, or no such split there.
    """
    return _items(read_split(uri, count, split), IMAGE, CAPTIONS)


def read_split(uri: str | os.PathLike[str], count: int, split: str) -> Iterator[bytes]:
    """Read the first serialized examples of a split of an Examples artifact; see `examples`."""
    _check_count(count)
    folder = Path(uri) / f"Split-{split}"
    files = sorted(str(file) for file in folder.glob("data_tfrecord-*.gz"))
    if not files:
        found = sorted(path.name.removeprefix("Split-") for path in Path(uri).glob("Split-*"))
        raise UserError(f"no split '{split}' in {uri}: known: {', '.join(found) or 'none'}")
    return _read(files, "GZIP", count)


def table(items: Sequence[Item]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows; a feature that an item lacks shows as "-"."""
    keys = {key: None for item in items for key in item.facts}
    header = sorted(keys, key=lambda key: (key != ID, key))
    return header, [[item.facts.get(key, "-") for key in header] for item in items]


def sheet(items: Sequence[Item], columns: int | None = None) -> Image.Image:
    """Draw all images in rows, each above its sentence, label or id.

    Args:
      items: What to draw, at least one.
      columns: Images per row; None for 8, or 4 above sentences.

    Returns:
      An RGB image. Large images are fitted into their cell, small ones enlarged by whole factors,
      so pixels stay visible; one that cannot be decoded shows as a crossed box.
    """
    wide = any(item.sentence for item in items)
    side, lines = (WIDE, LINES) if wide else (CELL, 1)
    columns = min(columns or (4 if wide else 8), len(items))
    step_x, step_y = side + GAP, side + lines * LINE + GAP
    rows = math.ceil(len(items) / columns)
    canvas = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), "white")
    draw = ImageDraw.Draw(canvas)
    for number, item in enumerate(items):
        left = GAP + number % columns * step_x
        top = GAP + number // columns * step_y
        if item.image is None:
            draw.rectangle((left, top, left + side, top + side), outline="red")
            draw.line((left, top, left + side, top + side), fill="red")
        else:
            canvas.paste(_fit(item.image, side), (left, top))
        for line, text in enumerate(_below(item)):
            draw.text((left, top + side + line * LINE), text, fill="black")
    return canvas


def _below(item: Item) -> list[str]:
    if item.sentence:
        # The built-in font has Latin letters only.
        plain = item.sentence.encode("latin-1", errors="replace").decode("latin-1")
        return textwrap.wrap(plain, LINE_WIDTH, max_lines=LINES, placeholder=" ...")
    return [(item.facts.get("label") or item.facts.get(ID, ""))[:16]]


def _check_count(count: int) -> None:
    if count < 1:
        raise UserError(f"count is {count}: it must be at least 1")


def _read(files: Iterable[str], compression: str, count: int) -> Iterator[bytes]:
    import tensorflow as tf

    dataset = tf.data.TFRecordDataset(list(files), compression)
    yield from itertools.islice(dataset.as_numpy_iterator(), count)


def _items(payloads: Iterable[bytes], image_key: str, captions_key: str | None) -> list[Item]:
    import tensorflow as tf

    return [
        _item(tf.train.Example.FromString(payload).features.feature, image_key, captions_key)
        for payload in payloads
    ]


def _item(features: Any, image_key: str, captions_key: str | None) -> Item:
    facts = {key: _words(features[key]) for key in sorted(features) if key != image_key}
    told = captions_key and captions_key in features
    captions = features[captions_key].bytes_list.value if told else []
    sentence = captions[0].decode(errors="replace") if captions else ""
    if VALUE in features:
        return Item(facts, number(features[VALUE].float_list.value[0]))
    values = features[image_key].bytes_list.value if image_key in features else []
    if not values:
        return Item(facts, None, sentence)
    image = open_image(values[0])
    if image is None:
        missing = f"not an image, {len(values[0]):,} bytes"
        return Item(facts | {image_key: missing}, None, sentence)
    size = f"{image.format} {image.height}x{image.width} {image.mode}, {len(values[0]):,} bytes"
    return Item(facts | {image_key: size}, image, sentence)


def number(value: float) -> Image.Image:
    """Draw a number as it stands in the place of an image."""
    tile = Image.new("RGB", (CELL, CELL), "#eef1f6")
    middle = (CELL // 2, CELL // 2)
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(tile).text(middle, f"{value:.5g}", "black", font, "mm")
    return tile


def open_image(content: bytes) -> Image.Image | None:
    """Decode an image; None for bytes that are none."""
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    return image


def _words(feature: Any) -> str:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    texts = [v.decode(errors="replace") if isinstance(v, bytes) else f"{v:.6g}" for v in values]
    text = " | ".join(texts)
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 3]}..."


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Bring an image into a white square of `side`, its proportions kept."""
    image = image.convert("RGB")
    largest = max(image.size)
    if largest > side:
        image.thumbnail((side, side))
    else:
        size = (image.width * (side // largest), image.height * (side // largest))
        image = image.resize(size, Image.Resampling.NEAREST)
    if image.width == image.height:
        return image
    square = Image.new("RGB", (side, side), "white")
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
