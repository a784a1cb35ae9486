"""Runs EncoderFeatures: a shard is a unit of work, written aside and renamed when it is whole."""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.example_gen.manifest import describe
from trainer.features import GRID, IMAGE, MANIFEST

IMAGES_AT_ONCE = 32
GZIP = tf.io.TFRecordOptions("GZIP")


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes the examples again, with what the encoder sees beside each image."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Extract; see `EncoderFeatures` for the parameters.

        Raises:
          UserError: The encoder's settings or weights are wrong.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        featured = artifact_utils.get_single_instance(output_dict["featured"])
        path, settings = exec_properties["extractor"], exec_properties["settings"]
        # Here first: wrong settings then end the run in one line, not in a worker's stack.
        digest = _make(path, settings).digest
        tasks = []
        for split in artifact_utils.decode_split_names(examples.split_names):
            for source in sorted(tf.io.gfile.glob(f"{examples.uri}/Split-{split}/*")):
                name = os.path.basename(source)  # noqa: PTH119
                tasks.append(Task(source, f"{featured.uri}/Split-{split}/{name}"))
        with self._make_beam_pipeline() as pipeline:
            _ = (
                pipeline
                | beam.Create(tasks)
                | beam.Reshuffle()
                | beam.ParDo(ExtractShard(path, settings))
            )
        _describe(examples, featured, digest)


class Task(NamedTuple):
    """One shard: where it lies and where its copy goes."""

    source: str
    target: str


class ExtractShard(beam.DoFn):
    """Copies a shard with features; the extractor is made once per worker."""

    def __init__(self, extractor: str, settings: str) -> None:
        self._path, self._settings = extractor, settings

    def setup(self) -> None:
        """Make the extractor."""
        self._extractor = _make(self._path, self._settings)

    def process(self, task: Task) -> None:
        """Write the copy; one that is there already is whole and is replaced by an equal one."""
        folder = os.path.dirname(task.target)  # noqa: PTH120
        tf.io.gfile.makedirs(folder)
        aside = f"{folder}/.{uuid.uuid4().hex}"
        with tf.io.TFRecordWriter(aside, GZIP) as writer:
            for batch in _batches(tf.data.TFRecordDataset(task.source, "GZIP")):
                parsed = [tf.train.Example.FromString(payload) for payload in batch]
                images = [one.features.feature[IMAGE].bytes_list.value[0] for one in parsed]
                for one, grid in zip(parsed, self._extractor(images), strict=True):
                    one.features.feature[GRID].bytes_list.value.append(grid)
                    writer.write(one.SerializeToString())
        tf.io.gfile.rename(aside, task.target, overwrite=True)


def _batches(records: Iterable[tf.Tensor]) -> Iterator[list[bytes]]:
    payloads = (record.numpy() for record in records)
    while batch := list(itertools.islice(payloads, IMAGES_AT_ONCE)):
        yield batch


def _make(path: str, settings: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)(settings)


def _describe(examples: Any, featured: Any, digest: str) -> None:
    """Carry on what was said about the examples; other weights make other data."""
    with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}") as file:
        manifest = json.load(file)
    text = f"{manifest['fingerprint']} seen by {digest}"
    manifest["fingerprint"] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    manifest["encoder"] = digest
    with tf.io.gfile.GFile(f"{featured.uri}/{MANIFEST}", "w") as file:
        file.write(json.dumps(manifest, indent=2) + "\n")
    describe(featured, manifest)
