"""The Beam pass of the data check, and its small results on their way back to the executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.types import artifact_utils

from components import collect as files
from components.data_check.shard import PROBLEMS, SCRATCH, CheckShard, Task
from components.data_check.summary import Summary, merge
from components.data_check.twins import Twins, find
from components.datasets.base import DatasetSpec

RESULTS = ("summaries", "problems")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one pass over the data found.

    Attributes:
      summaries: Split -> statistics of its clean records; zeros for a split without any.
      corrupt: Split -> number of corrupt records.
      problems: Rows (split, kind, feature, what, count, smallest id), sorted.
      duplicates: Pictures that two splits share, sorted.
    """

    summaries: dict[str, Summary]
    corrupt: dict[str, int]
    problems: list[Any]
    duplicates: list[Twins]

    def records(self) -> dict[str, int]:
        """Split -> number of records read."""
        return {name: s.records + self.corrupt[name] for name, s in self.summaries.items()}


def build(
    pipeline: beam.Pipeline, spec: DatasetSpec, examples: Any, checked: str, report: str
) -> None:
    """Add the pass to a Beam pipeline.

    Args:
      pipeline: Where to add it.
      spec: What the data set promises.
      examples: `Examples` artifact to read.
      checked: Folder for examples without corrupt records.
      report: Folder for quarantine and results.
    """
    splits = artifact_utils.decode_split_names(examples.split_names)
    tasks = [
        Task(split, path)
        for split in splits
        for pattern in examples_utils.get_split_file_patterns([examples], split)
        for path in sorted(tf.io.gfile.glob(pattern))
    ]
    scratch = f"{report}/{SCRATCH}"
    tf.io.gfile.makedirs(scratch)
    found = (
        pipeline
        | "Shards" >> beam.Create(tasks)
        | "Spread" >> beam.Reshuffle()
        | "Check"
        >> beam.ParDo(CheckShard(spec, checked, report)).with_outputs(PROBLEMS, main="summaries")
    )
    summaries = (
        found.summaries
        | "BySplit" >> beam.Map(lambda row: (row[0], (row[1], row[2])))
        | "Sum" >> beam.CombinePerKey(_add)
        | "Plain" >> beam.MapTuple(lambda split, sums: [split, sums[0].to_json(), sums[1]])
    )
    problems = (
        found[PROBLEMS]
        | "Count" >> beam.CombinePerKey(_CountAndFirst())
        | "Row" >> beam.MapTuple(lambda key, value: [*key, *value])
    )
    for name, result in zip(RESULTS, (summaries, problems), strict=True):
        files.write_json(result, f"{scratch}/{name}.json")


def collect(report: str, splits: list[str]) -> Measured:
    """Read the results of a finished pass over `splits`."""
    rows = {name: files.read_json(f"{report}/{SCRATCH}/{name}.json") for name in RESULTS}
    found = {split: (content, corrupt) for split, content, corrupt in rows["summaries"]}
    nothing = (Summary().to_json(), 0)
    return Measured(
        {split: Summary.from_json(found.get(split, nothing)[0]) for split in sorted(splits)},
        {split: found.get(split, nothing)[1] for split in sorted(splits)},
        sorted(rows["problems"]),
        find(report, splits),
    )


def _add(rows: Iterable[tuple[Summary, int]]) -> tuple[Summary, int]:
    rows = list(rows)
    return merge(summary for summary, _ in rows), sum(corrupt for _, corrupt in rows)


class _CountAndFirst(beam.CombineFn):
    """Counts, and keeps the smallest element: the same one whatever the order of the records."""

    def create_accumulator(self) -> tuple[int, Any]:
        return 0, None

    def add_input(self, accumulator: tuple[int, Any], element: Any) -> tuple[int, Any]:
        count, first = accumulator
        return count + 1, element if first is None else min(first, element)

    def merge_accumulators(self, accumulators: Any) -> tuple[int, Any]:
        accumulators = list(accumulators)
        firsts = [first for _, first in accumulators if first is not None]
        return sum(count for count, _ in accumulators), min(firsts, default=None)

    def extract_output(self, accumulator: tuple[int, Any]) -> tuple[int, Any]:
        return accumulator
