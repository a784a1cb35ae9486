"""Writes one shard in a Beam worker: stored TFDS records in, the pipeline's tf.Examples out."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tensorflow.python.util import deprecation

from components.datasets.base import DatasetSpec
from components.example_gen.plan import Piece, Shard
from trainer.features import CAPTIONS, FACTS, ID, IMAGE, LABEL, VALUE

SCRATCH = ".writing"
"""Folder in the artifact for files that are not finished; no reader's pattern matches it."""


class WriteShard(beam.DoFn):
    """Writes a shard aside and renames it, so a bundle that Beam repeats changes nothing."""

    def __init__(self, spec: DatasetSpec, uri: str) -> None:
        self._spec, self._uri = spec, uri

    def process(self, shard: Shard) -> Iterator[dict[str, Any]]:
        """Write one shard; yield its split, records, payload bytes and fingerprint."""
        folder = f"{self._uri}/Split-{shard.split}"
        name = f"data_tfrecord-{shard.index:05d}-of-{shard.count:05d}.gz"
        aside = f"{self._uri}/{SCRATCH}/{uuid.uuid4().hex}"
        tf.io.gfile.makedirs(folder)
        tf.io.gfile.makedirs(f"{self._uri}/{SCRATCH}")
        records = size = fingerprint = 0
        with tf.io.TFRecordWriter(aside, tf.io.TFRecordOptions("GZIP")) as writer:
            for piece in shard.pieces:
                for payload in convert(self._spec, piece):
                    writer.write(payload)
                    records += 1
                    size += len(payload)
                    fingerprint += _hash(payload)
        tf.io.gfile.rename(aside, f"{folder}/{name}", overwrite=True)
        yield {
            "split": shard.split,
            "records": records,
            "bytes": size,
            "fingerprint": f"{fingerprint % 2**128:032x}",
        }


def convert(spec: DatasetSpec, piece: Piece) -> Iterator[bytes]:
    """Re-key a run of stored TFDS records without touching the image bytes.

    Args:
      spec: The data set.
      piece: Which records.

    Yields:
      Serialized tf.Examples with the keys of `trainer.features`. A feature that the stored record
      lacks is left out: judging the data is the data check's business.
    """
    # Not tf.data, as TensorFlow's warning advises: its eager context would claim the GPU in every
    # Beam worker.
    with deprecation.silence():
        stored = tf.compat.v1.io.tf_record_iterator(piece.file)
    for position, raw in enumerate(stored):
        if position >= piece.skip + piece.take:
            return
        if position >= piece.skip:
            yield _rekey(spec, piece, position, tf.train.Example.FromString(raw))


def _rekey(spec: DatasetSpec, piece: Piece, position: int, stored: tf.train.Example) -> bytes:
    source = stored.features.feature
    target = tf.train.Example()
    renamed = {VALUE: spec.value_feature} if spec.value_feature else {IMAGE: spec.image_feature}
    if spec.label_names:
        renamed[LABEL] = spec.label_feature
    if spec.captions_feature:
        renamed[CAPTIONS] = spec.captions_feature
    if spec.facts_feature:
        renamed[FACTS] = spec.facts_feature
    for key, stored_key in renamed.items():
        if stored_key in source:
            target.features.feature[key].CopyFrom(source[stored_key])
    own = _own_id(spec, source) or f"{piece.tfds_split}/{piece.offset + position}"
    target.features.feature[ID].bytes_list.value.append(f"{spec.name}/{own}".encode())
    return target.SerializeToString(deterministic=True)


def _own_id(spec: DatasetSpec, source: Any) -> str | None:
    """Return the builder's id of a record, if the data set has such ids."""
    if spec.id_feature is None or spec.id_feature not in source:
        return None
    value = source[spec.id_feature]
    if value.int64_list.value:
        return str(value.int64_list.value[0])
    return value.bytes_list.value[0].decode()


def _hash(payload: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(payload, digest_size=16).digest(), "big")
