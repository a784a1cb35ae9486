"""Checks one shard in a Beam worker: judges, counts, and writes corrupt records aside."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import apache_beam as beam
import tensorflow as tf
from tensorflow.python.util import deprecation

from components.data_check.record import Judged, judge
from components.data_check.summary import Summary
from components.datasets.base import DatasetSpec

PROBLEMS, PICTURES = "problems", "pictures"
"""Tags of the outputs beside the main one, which holds a summary per shard."""

QUARANTINE = "quarantine"
"""Folder of corrupt records: per shard a TFRecord file and a JSON line per record."""

SCRATCH = ".writing"


class Task(NamedTuple):
    """One shard: its split, and where it lies."""

    split: str
    path: str


class CheckShard(beam.DoFn):
    """Passes clean records on into the checked examples, and no others.

    Files are written aside and renamed, so a bundle that Beam repeats changes nothing.
    """

    def __init__(self, spec: DatasetSpec, checked: str, report: str) -> None:
        self._spec, self._checked, self._report = spec, checked, report

    def process(self, task: Task) -> Iterator[Any]:
        """Check one shard.

        Yields:
          (split, summary of clean records, corrupt records); tagged `problems`:
          ((split, kind, feature, what), id); tagged `pictures`: (digest, (split, id)).
        """
        summary, rejected = Summary(), {}
        for position, payload in enumerate(_read(task.path)):
            judged = judge(self._spec, payload)
            for problem in judged.problems:
                yield beam.pvalue.TaggedOutput(PROBLEMS, ((task.split, *problem), judged.identity))
            if judged.corrupt:
                rejected[position] = judged
                continue
            summary.add(judged)
            if judged.picture:
                seen = (judged.picture.digest, (task.split, judged.identity))
                yield beam.pvalue.TaggedOutput(PICTURES, seen)
        self._pass_on(task, rejected.keys())
        if rejected:
            self._set_aside(task, rejected)
        yield task.split, summary, len(rejected)

    def _pass_on(self, task: Task, without: Collection[int]) -> None:
        target = f"{self._checked}/Split-{task.split}/{os.path.basename(task.path)}"  # noqa: PTH119
        tf.io.gfile.makedirs(os.path.dirname(target))  # noqa: PTH120
        aside = _aside(self._checked)
        if without:
            with tf.io.TFRecordWriter(aside, tf.io.TFRecordOptions("GZIP")) as writer:
                for position, payload in enumerate(_read(task.path)):
                    if position not in without:
                        writer.write(payload)
        else:
            _link(task.path, aside)
        tf.io.gfile.rename(aside, target, overwrite=True)

    def _set_aside(self, task: Task, rejected: dict[int, Judged]) -> None:
        folder = f"{self._report}/{QUARANTINE}/Split-{task.split}"
        tf.io.gfile.makedirs(folder)
        name = os.path.basename(task.path)  # noqa: PTH119
        aside = _aside(self._report)
        with tf.io.TFRecordWriter(aside, tf.io.TFRecordOptions("GZIP")) as writer:
            for position, payload in enumerate(_read(task.path)):
                if position in rejected:
                    writer.write(payload)
        tf.io.gfile.rename(aside, f"{folder}/{name}", overwrite=True)
        lines = [
            {
                "id": judged.identity,
                "position": position,
                "problems": [f"{p.feature}: {p.what}" for p in judged.problems],
            }
            for position, judged in rejected.items()
        ]
        aside = _aside(self._report)
        with tf.io.gfile.GFile(aside, "w") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        tf.io.gfile.rename(aside, f"{folder}/{name.removesuffix('.gz')}.jsonl", overwrite=True)


def _read(path: str) -> Iterator[bytes]:
    # Not tf.data, as TensorFlow's warning advises: its eager context would claim the GPU in every
    # Beam worker.
    options = tf.io.TFRecordOptions("GZIP")
    with deprecation.silence():
        return tf.compat.v1.io.tf_record_iterator(path, options)


def _aside(root: str) -> str:
    tf.io.gfile.makedirs(f"{root}/{SCRATCH}")
    return f"{root}/{SCRATCH}/{uuid.uuid4().hex}"


def _link(source: str, target: str) -> None:
    """Give a file a second name where the file system can: clean data cost no space twice."""
    try:
        os.link(source, target)
    except OSError:
        tf.io.gfile.copy(source, target)
