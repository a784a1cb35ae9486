"""Held-out items as the examples store them: ids, captions, facts, and the encoded image."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from components.evaluator.examples import Stored
from components.metrics.caption_tokens import tokenize
from trainer.errors import UserError
from trainer.features import CAPTIONS, FACTS, ID, IMAGE


@dataclasses.dataclass(frozen=True)
class Item:
    """One held-out image without its pixels.

    Attributes:
      id: Its name in the data set.
      captions: Its true captions, as stored; those without any word are left out.
      facts: What is known to be true of it; None if nothing is.
    """

    id: str
    captions: tuple[str, ...]
    facts: str | None

    @functools.cached_property
    def references(self) -> tuple[str, ...]:
        """The captions cut into words."""
        return tuple(map(tokenize, self.captions))


def read_file(file: str, images: bool = True) -> Iterator[tuple[Item, bytes]]:
    """Yield the items of one shard in order, each with its encoded image (empty unless wanted)."""
    features = {
        ID: tf.io.FixedLenFeature((), tf.string),
        CAPTIONS: tf.io.RaggedFeature(tf.string),
        FACTS: tf.io.FixedLenFeature((), tf.string, ""),
    }
    if images:
        features[IMAGE] = tf.io.FixedLenFeature((), tf.string)
    data = tf.data.TFRecordDataset(file, "GZIP")
    parsed = data.map(lambda payload: tf.io.parse_single_example(payload, features))
    for found in parsed.as_numpy_iterator():
        captions = (text.decode("utf-8", "replace") for text in found[CAPTIONS])
        told = tuple(filter(tokenize, captions))
        item = Item(found[ID].decode(), told, found[FACTS].decode() or None)
        yield item, found[IMAGE] if images else b""


def read_items(stored: Stored, split: str, limit: int | None) -> list[Item]:
    """Read what is known of a split's images, without the images.

    Args:
      stored: The examples.
      split: Which split.
      limit: Items to keep at most: those whose ids' hashes are smallest, whatever the sharding.

    Returns:
      Items in the order of their ids.

    Raises:
      UserError: No such split, an item without captions, two of one id, or fewer than two items.
    """
    found = [item for file in stored.files(split) for item, _ in read_file(file, images=False)]
    items = sorted(found, key=lambda item: _hash(item.id))[:limit]
    silent = [item.id for item in items if not item.captions]
    if silent:
        raise UserError(
            f"{len(silent)} of {len(items)} items of split '{split}' have no captions, for example "
            f"{silent[0]}; a captioner is evaluated on data that have some"
        )
    if len(items) < 2 or len({item.id for item in items}) < len(items):
        raise UserError(
            f"split '{split}' has {len(items)} items with {len({item.id for item in items})} "
            "different ids; at least two are needed, each with an id of its own"
        )
    return sorted(items, key=lambda item: item.id)


def read_images(stored: Stored, split: str, ids: list[str]) -> dict[str, bytes]:
    """Return the encoded images of a few ids, in the order of these."""
    wanted = set(ids)
    found: dict[str, bytes] = {}
    for file in stored.files(split):
        for item, image in read_file(file):
            if item.id in wanted:
                found[item.id] = image
        if len(found) == len(wanted):
            break
    return {name: found[name] for name in ids}


def foreign_images(ids: list[str], permutations: int, seed: int) -> dict[str, list[str]]:
    """Choose for each id the foreign images that its captions are tried with.

    Each permutation is one random cycle through all ids, so no image meets its own captions.

    Returns:
      Id -> ids of `permutations` other images.
    """
    others: dict[str, list[str]] = {name: [] for name in ids}
    for number in range(permutations):
        order = np.random.default_rng([seed, number]).permutation(len(ids))
        for here, there in zip(order, np.roll(order, 1), strict=True):
            others[ids[here]].append(ids[there])
    return others


def _hash(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
