"""Reads the images of an Examples artifact: a shard at a time for Beam, a few for the report."""

from __future__ import annotations

import dataclasses
import json
import posixpath
from collections.abc import Collection, Iterator

import numpy as np
import tensorflow as tf

from components import datasets
from components.metrics.extractors import Card, check_size
from trainer.errors import UserError
from trainer.features import ID, IMAGE, LABEL, MANIFEST


@dataclasses.dataclass(frozen=True)
class Stored:
    """An Examples artifact: where it is, what it holds."""

    uri: str
    dataset: str
    version: str
    fingerprint: str
    class_names: tuple[str, ...]

    def files(self, split: str) -> list[str]:
        """Return the files of a split in order.

        Raises:
          UserError: The artifact has no such split.
        """
        found = sorted(tf.io.gfile.glob(posixpath.join(self.uri, f"Split-{split}", "*.gz")))
        if not found:
            have = [path.split("Split-")[-1] for path in tf.io.gfile.glob(f"{self.uri}/Split-*")]
            raise UserError(
                f"the examples have no split '{split}'; they have: {', '.join(sorted(have)) or '-'}"
            )
        return found


def open_examples(uri: str) -> Stored:
    """Read an artifact's manifest.

    Raises:
      UserError: No manifest, or not one of this pipeline.
    """
    path = posixpath.join(uri, MANIFEST)
    try:
        with tf.io.gfile.GFile(path) as file:
            manifest = json.load(file)
        name = manifest["dataset"]
        classes = datasets.get(name).label_names if name in datasets.DATASETS else ()
        return Stored(uri, name, manifest["version"], manifest["fingerprint"], classes)
    except (tf.errors.OpError, ValueError, KeyError) as error:
        raise UserError(
            f"the examples' manifest {path} cannot be read; ingest the data with TfdsExampleGen"
        ) from error


def image_shape(stored: Stored, split: str, card: Card) -> tuple[int, ...]:
    """Return (height, width, channels) of the first image of a split.

    Raises:
      UserError: The extractor reads images of another size.
    """
    _, _, images = next(read_batches(stored.files(split)[0], 1))
    check_size(card, images.shape[1:], f"dataset '{stored.dataset}' has images")
    return images.shape[1:]


def read_batches(file: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (ids str[B], labels int64[B] or -1, images uint8[B,H,W,C]) of one shard in order."""
    features = {
        IMAGE: tf.io.FixedLenFeature((), tf.string),
        LABEL: tf.io.FixedLenFeature((), tf.int64, -1),
        ID: tf.io.FixedLenFeature((), tf.string),
    }

    def decode(payload: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        found = tf.io.parse_single_example(payload, features)
        return found[ID], found[LABEL], tf.io.decode_image(found[IMAGE], expand_animations=False)

    data = tf.data.TFRecordDataset(file, "GZIP").map(decode).batch(batch_size)
    for ids, labels, images in data.as_numpy_iterator():
        yield np.char.decode(ids.astype("S"), "utf-8"), labels, images


def find_images(stored: Stored, split: str, ids: Collection[str]) -> dict[str, np.ndarray]:
    """Return uint8[H,W,C] for each of a few ids; no other image is decoded."""
    wanted = tf.constant(sorted(ids))
    features = {key: tf.io.FixedLenFeature((), tf.string) for key in (ID, IMAGE)}

    def pick(payloads: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = tf.io.parse_example(payloads, features)
        kept = tf.reduce_any(found[ID][:, None] == wanted, axis=1)
        return tf.boolean_mask(found[ID], kept), tf.boolean_mask(found[IMAGE], kept)

    data = tf.data.TFRecordDataset(stored.files(split), "GZIP").batch(500).map(pick).unbatch()
    return {
        name.decode(): tf.io.decode_image(image, expand_animations=False).numpy()
        for name, image in data.take(len(ids)).as_numpy_iterator()
    }
