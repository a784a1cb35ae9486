"""Checks one shard in a Beam worker: judges, counts, and writes corrupt records aside."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Self

import apache_beam as beam
import tensorflow as tf
from tensorflow.python.util import deprecation

from components.data_check.record import UNKNOWN_ID, Judged, judge
from components.data_check.summary import Summary
from components.data_check.twins import Runs
from components.datasets.base import DatasetSpec

PROBLEMS = "problems"
"""Tag of the output beside the main one, which holds a summary per shard."""

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
          ((split, kind, feature, what), id).
        """
        shard = os.path.basename(task.path)  # noqa: PTH119
        pictures = Runs(self._report, task.split, shard)
        summary, rejected = Summary(), set()
        with _Quarantine(self._report, task.split, shard) as quarantine:
            for position, payload in enumerate(_read(task.path)):
                judged = judge(self._spec, payload)
                if judged.identity == UNKNOWN_ID:
                    judged = judged._replace(identity=f"{shard}#{position}")
                for problem in judged.problems:
                    key = (task.split, *problem)
                    yield beam.pvalue.TaggedOutput(PROBLEMS, (key, judged.identity))
                if judged.corrupt:
                    rejected.add(position)
                    quarantine.add(position, payload, judged)
                    continue
                summary.add(judged)
                if judged.picture:
                    pictures.add(judged.picture.digest, judged.identity)
        pictures.flush()
        self._pass_on(task, rejected)
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


class _Quarantine:
    """Keeps the corrupt records of a shard, and a line about each; no files where there is none."""

    def __init__(self, report: str, split: str, shard: str) -> None:
        self._report, self._count = report, 0
        self._folder = f"{report}/{QUARANTINE}/Split-{split}"
        self._shard = shard
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._open.close()
        if self._count and kind is None:
            tf.io.gfile.makedirs(self._folder)
            names = self._shard, f"{self._shard.removesuffix('.gz')}.jsonl"
            for aside, name in zip(self._aside, names, strict=True):
                tf.io.gfile.rename(aside, f"{self._folder}/{name}", overwrite=True)

    def add(self, position: int, payload: bytes, judged: Judged) -> None:
        """Write a record aside."""
        if not self._count:
            self._aside = _aside(self._report), _aside(self._report)
            options = tf.io.TFRecordOptions("GZIP")
            records = tf.io.TFRecordWriter(self._aside[0], options)
            self._records = self._open.enter_context(records)
            self._lines = self._open.enter_context(tf.io.gfile.GFile(self._aside[1], "w"))
        self._count += 1
        self._records.write(payload)
        problems = [f"{p.feature}: {p.what}" for p in judged.problems]
        line = {"id": judged.identity, "position": position, "problems": problems}
        self._lines.write(json.dumps(line) + "\n")


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
