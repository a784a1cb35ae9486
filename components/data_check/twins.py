"""Finds equal pictures in different splits in constant memory: sorted runs on disk, merged.

Beam's GroupByKey would do on a service that spills to disk; in memory it holds every digest.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

FOLDER = ".pictures"
"""Folder in the report while the data are checked."""

RUN = 20_000
"""Pictures that are sorted in memory at a time, some three megabytes."""


class Twins(NamedTuple):
    """Pictures of a split that an earlier split holds too.

    Attributes:
      split: The later split.
      other: The earlier one.
      records: Records of `split` concerned.
      example: Smallest id of these.
      twin: Id of the same picture in `other`.
    """

    split: str
    other: str
    records: int
    example: str
    twin: str


class Runs:
    """Writes the pictures of one shard as sorted runs; the same shard always writes the same."""

    def __init__(self, report: str, split: str, shard: str) -> None:
        self._base = f"{report}/{FOLDER}/{split}-{shard}"
        self._split, self._written = split, 0
        self._rows: list[str] = []
        tf.io.gfile.makedirs(f"{report}/{FOLDER}")

    def add(self, digest: str, identity: str) -> None:
        """Take a picture in; all digests have one length."""
        self._rows.append(json.dumps([digest, self._split, identity]) + "\n")
        if len(self._rows) == RUN:
            self.flush()

    def flush(self) -> None:
        """Write what has been taken in."""
        if self._rows:
            with tf.io.gfile.GFile(f"{self._base}-{self._written:05d}", "w") as file:
                file.write("".join(sorted(self._rows)))
            self._rows, self._written = [], self._written + 1


def find(report: str, splits: list[str]) -> list[Twins]:
    """Merge the runs of all shards, then remove them.

    Args:
      report: Folder that the `Runs` were given.
      splits: All splits; a picture is charged to the later ones.

    Returns:
      A row per pair of splits that share pictures, sorted.
    """
    folder = f"{report}/{FOLDER}"
    if not tf.io.gfile.exists(folder):
        return []
    runs = [tf.io.gfile.GFile(f"{folder}/{name}") for name in sorted(tf.io.gfile.listdir(folder))]
    rows = (json.loads(line) for line in heapq.merge(*runs))
    found: dict[tuple[str, str], Twins] = {}
    for _, same in itertools.groupby(rows, key=lambda row: row[0]):
        for one in _of_one_picture(same, splits):
            known = found.get(one[:2], one._replace(records=0))
            smaller = min(known, one, key=lambda twins: twins.example)
            found[one[:2]] = smaller._replace(records=known.records + one.records)
    for run in runs:
        run.close()
    tf.io.gfile.rmtree(folder)
    return sorted(found.values())


def _of_one_picture(rows: Iterable[list[Any]], splits: list[str]) -> Iterator[Twins]:
    """Charge every later split that has the picture to the first one that has it."""
    counts: dict[str, int] = {}
    firsts: dict[str, str] = {}
    for _, split, identity in rows:
        counts[split] = counts.get(split, 0) + 1
        firsts.setdefault(split, identity)
    first, *later = [split for split in splits if split in counts]
    for split in later:
        yield Twins(split, first, counts[split], firsts[split], firsts[first])
