"""COCO captions: photographs with five sentences each, by the official TFDS builder."""

from __future__ import annotations

from components.datasets.base import DatasetSpec

SPEC = DatasetSpec(
    name="coco_captions",
    builder="coco_captions",
    version="1.1.0",
    config="2014",
    image_shape=(None, None, 3),
    splits={"train": 82_783, "val": 5_000, "test": 5_000, "restval": 30_504},
    licence="annotations CC BY 4.0; each photograph under its own Flickr licence",
    origin="37 GB, downloaded by the TFDS builder unless data_dir holds the prepared folder",
    captions_feature="captions/text",
    id_feature="image/id",
    caption_count=(5, 8),
    caption_words=(3, 60),
)
