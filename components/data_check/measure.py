"""The Beam pass of the data check, and its small results on their way back to the executor."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.types import artifact_utils

from components import collect as files
from components.data_check.shard import PICTURES, PROBLEMS, SCRATCH, CheckShard, Task
from components.data_check.summary import Summary, merge
from components.datasets.base import DatasetSpec

RESULTS = ("summaries", "problems", "duplicates")


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one pass over the data found.

    Attributes:
      summaries: Split -> statistics of its clean records.
      corrupt: Split -> number of corrupt records.
      problems: Rows (split, kind, feature, what, count, smallest id), sorted.
      duplicates: Rows (split, other split, count, an id, its twin's id), sorted.
    """

    summaries: dict[str, Summary]
    corrupt: dict[str, int]
    problems: list[Any]
    duplicates: list[Any]

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
        >> beam.ParDo(CheckShard(spec, checked, report)).with_outputs(
            PROBLEMS, PICTURES, main="summaries"
        )
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
    duplicates = (
        found[PICTURES]
        | "SamePicture" >> beam.CombinePerKey(_first_per_split)
        | "Twins" >> beam.FlatMap(_twins, splits)
        | "CountTwins" >> beam.CombinePerKey(_CountAndFirst())
        | "TwinRow" >> beam.MapTuple(lambda key, value: [*key, value[0], *value[1]])
    )
    for name, result in zip(RESULTS, (summaries, problems, duplicates), strict=True):
        _ = result | f"Write[{name}]" >> _Write(f"{scratch}/{name}.json")


def collect(report: str) -> Measured:
    """Read the results of a finished pass."""
    rows = {name: files.read_json(f"{report}/{SCRATCH}/{name}.json") for name in RESULTS}
    summaries = sorted(rows["summaries"], key=lambda row: row[0])
    return Measured(
        {split: Summary.from_json(content) for split, content, _ in summaries},
        {split: corrupt for split, _, corrupt in summaries},
        sorted(rows["problems"]),
        sorted(rows["duplicates"]),
    )


class _Write(beam.PTransform):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(self, rows: Any) -> Any:
        return files.write_json(rows, self._path)


def _add(rows: Iterable[tuple[Summary, int]]) -> tuple[Summary, int]:
    rows = list(rows)
    return merge(summary for summary, _ in rows), sum(corrupt for _, corrupt in rows)


_Seen = dict[str, tuple[int, str]]


def _first_per_split(rows: Iterable[Any]) -> _Seen:
    """Combine (split, id) pairs or earlier results into split -> (count, smallest id)."""
    found: _Seen = {}
    for row in rows:
        parts = row.items() if isinstance(row, dict) else [(row[0], (1, row[1]))]
        for split, (count, first) in parts:
            known, smallest = found.get(split, (0, first))
            found[split] = (known + count, min(first, smallest))
    return found


def _twins(picture: tuple[str, _Seen], splits: list[str]) -> Iterator[Any]:
    """Yield ((split, earlier split), (id, twin's id)) for each record of the later split."""
    _, seen = picture
    present = [split for split in splits if split in seen]
    for split in present[1:]:
        count, first = seen[split]
        for _ in range(count):
            yield (split, present[0]), (first, seen[present[0]][1])


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
