"""What the pipeline knows about a data set before it has seen a byte of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

VALUE_RANGE = (0, 255)
"""Range of a decoded pixel: every data set stores uint8 images."""

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """One data set: where its records come from and what each of them must look like.

    Attributes:
      name: Name in our table and of the folder that TFDS prepares.
      builder: Name of an official TFDS builder, or "module:Class" of one of ours.
      version: The only TFDS version this code reads, for example "3.0.1".
      image_shape: (height, width, channels) in pixels; None where images differ in size.
      splits: TFDS split -> number of records in the published data set.
      licence: Terms under which the data may be used.
      origin: How the bytes get on the disk.
      bundled: Preparation needs no network.
      config: TFDS builder configuration, if the builder has several.
      label_names: Class names in the order of their indices; empty without classes.
      image_feature: Key of the encoded image in a TFDS record.
      label_feature: Key of the class index in a TFDS record.
      captions_feature: Key of the captions in a TFDS record; None without captions.
      id_feature: Key of the builder's own stable record id; None if it has none.
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
    captions_feature: str | None = None
    id_feature: str | None = None

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
