"""What the pipeline knows about a data set before it has seen a byte of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from trainer.errors import UserError

VALUE_RANGE = (0, 255)
"""Range of a decoded pixel: every data set stores uint8 images."""

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


@dataclasses.dataclass(frozen=True)
class Source:
    """What a recipe may say about the records beside the data set's name; None: not said.

    Attributes:
      folder: Folder of one's own images.
      size: Records to make in the training split.
      seed: Seed of made records.
      image_shape: (height, width, channels) that all of one's own images have.
    """

    folder: str | None = None
    size: int | None = None
    seed: int | None = None
    image_shape: tuple[int, int, int] | None = None

    @classmethod
    def from_json(cls, text: str) -> Source:
        """Read a JSON object of the fields, as a component's parameter carries them."""
        content = json.loads(text)
        if content.get("image_shape"):
            content["image_shape"] = tuple(content["image_shape"])
        return cls(**content)


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set: where its records come from and what each of them must look like.

    Attributes:
      name: Name in our table and of the folder that TFDS prepares.
      builder: Name of an official TFDS builder, or "module:Class" of one of ours.
      version: The only TFDS version this code reads, for example "3.0.1".
      image_shape: (height, width, channels) in pixels; None where images differ in size. A number
        in an image's place counts as (1, 1, 1).
      splits: TFDS split -> number of records in the published data set.
      licence: Terms under which the data may be used.
      origin: How the bytes get on the disk.
      bundled: Preparation needs no network.
      config: TFDS builder configuration, if the builder has several.
      label_names: Class names in the order of their indices; empty without classes.
      image_feature: Key of the encoded image in a TFDS record.
      label_feature: Key of the class index in a TFDS record.
      value_feature: Key of the number that a TFDS record holds in an image's place; None: images.
      captions_feature: Key of the captions in a TFDS record; None without captions.
      id_feature: Key of the builder's own stable record id; None if it has none.
      caption_count: Fewest and most captions of an image.
      caption_words: Fewest and most words of a caption.
      facts_feature: Key of what is known to be true of the image; None without such knowledge.
      takes: Fields of `Source` that a recipe may give for this data set.
      source: What it gave.
    """

    name: str
    builder: str
    version: str
    image_shape: tuple[int | None, int | None, int]
    splits: Mapping[str, int]
    licence: str
    origin: str
    bundled: bool = False
    config: str | None = None
    label_names: tuple[str, ...] = ()
    image_feature: str = "image"
    label_feature: str = "label"
    value_feature: str | None = None
    captions_feature: str | None = None
    id_feature: str | None = None
    caption_count: tuple[int, int] = (1, 20)
    caption_words: tuple[int, int] = (1, 100)
    facts_feature: str | None = None
    takes: tuple[str, ...] = ()
    source: Source = Source()

    def resolve(self, source: Source) -> DatasetSpec:
        """Return this data set as a recipe wants it.

        Raises:
          UserError: The recipe says something that this data set does not take, or that is wrong.
        """
        for field in dataclasses.fields(source):
            if getattr(source, field.name) is not None and field.name not in self.takes:
                known = ", ".join(f"data.{name}" for name in self.takes) or "no such setting"
                raise UserError(
                    f"data.{field.name} is given, and dataset '{self.name}' takes {known}: "
                    "remove it from the recipe"
                )
        return dataclasses.replace(self, source=source)

    @property
    def num_classes(self) -> int:
        """Number of classes; 0 for a data set without classes."""
        return len(self.label_names)

    @property
    def schema_file(self) -> Path:
        """The reviewed schema of this data set's examples (tensorflow_metadata text format)."""
        return SCHEMAS / f"{self.name}.pbtxt"

    @property
    def folder(self) -> str:
        """Where TFDS keeps the prepared data below its data_dir: name[/config]/version."""
        return "/".join(part for part in (self.name, self.config, self.version) if part)
