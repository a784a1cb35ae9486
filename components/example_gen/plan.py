"""Decides which stored records make up each output shard, and refuses plans that cannot be."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.errors import UserError


@dataclasses.dataclass(frozen=True)
class Piece:
    """A run of records in one TFDS file.

    Attributes:
      file: Path of the TFRecord file.
      skip: Records before the run.
      take: Records in the run.
      tfds_split: TFDS split that the file belongs to.
      offset: Records of that split in the files before this one.
    """

    file: str
    skip: int
    take: int
    tfds_split: str
    offset: int


@dataclasses.dataclass(frozen=True)
class Shard:
    """One output file: its split, its number of how many, and the records in it."""

    split: str
    index: int
    count: int
    pieces: tuple[Piece, ...]


def make_plan(
    info: Any, splits: Mapping[str, str], limit: int | None, num_shards: int
) -> list[Shard]:
    """Cut every output split into contiguous shards of nearly equal size.

    Args:
      info: The prepared builder's `tfds.core.DatasetInfo`.
      splits: Output split -> TFDS split expression.
      limit: At most this many records per output split, the first ones; None for all.
      num_shards: Wanted shards per split.

    Returns:
      The shards, in the order of `splits`.

    Raises:
      UserError: No split, unknown or malformed or empty expression, shared records, limit or
        shard count below one.
    """
    if not splits:
        raise UserError(f"no splits given: map output splits to TFDS splits ({_known(info)})")
    for name, value in (("limit", limit), ("num_shards", num_shards)):
        if value is not None and value < 1:
            raise UserError(f"{name} is {value}: it must be at least 1")
    chosen = {}
    for split, expression in splits.items():
        pieces = _head(_pieces(info, split, expression), limit)
        if not pieces:
            raise UserError(
                f"split '{split}' = '{expression}' of {info.name} is empty; {_known(info)}"
            )
        chosen[split] = pieces
    _refuse_overlap(chosen, splits)
    return [shard for split, pieces in chosen.items() for shard in _cut(split, pieces, num_shards)]


def _pieces(info: Any, split: str, expression: str) -> list[Piece]:
    where = {
        Path(path).name: (name, sum(info.splits[name].shard_lengths[:number]))
        for name in info.splits
        for number, path in enumerate(info.splits[name].filepaths)
    }
    try:
        instructions = info.splits[expression].file_instructions
    except (KeyError, ValueError, AssertionError, TypeError) as error:
        raise UserError(
            f"split '{split}' = '{expression}' cannot be read from {info.name}; {_known(info)}"
        ) from error
    return [
        Piece(i.filename, i.skip, _take(i), *where[Path(i.filename).name]) for i in instructions
    ]


def _take(instruction: Any) -> int:
    """Spell out TFDS' take of -1, which means everything behind `skip`."""
    rest = instruction.examples_in_shard - instruction.skip
    return rest if instruction.take < 0 else min(instruction.take, rest)


def _head(pieces: list[Piece], limit: int | None) -> list[Piece]:
    """Keep the first `limit` records."""
    kept, left = [], limit
    for piece in pieces:
        take = piece.take if left is None else min(piece.take, left)
        if take > 0:
            kept.append(dataclasses.replace(piece, take=take))
        left = None if left is None else left - take
    return kept


def _cut(split: str, pieces: list[Piece], num_shards: int) -> list[Shard]:
    total = sum(piece.take for piece in pieces)
    count = min(num_shards, total)
    edges = [total * number // count for number in range(count + 1)]
    return [
        Shard(split, number, count, tuple(_between(pieces, edges[number], edges[number + 1])))
        for number in range(count)
    ]


def _between(pieces: list[Piece], start: int, stop: int) -> list[Piece]:
    """Keep the records with positions `start` to `stop` of the pieces laid end to end."""
    kept, position = [], 0
    for piece in pieces:
        low, high = max(start, position), min(stop, position + piece.take)
        if low < high:
            skip = piece.skip + low - position
            kept.append(dataclasses.replace(piece, skip=skip, take=high - low))
        position += piece.take
    return kept


def _refuse_overlap(chosen: Mapping[str, list[Piece]], splits: Mapping[str, str]) -> None:
    """A record in two splits, or twice in one, would make every score on it dishonest."""
    runs = sorted(
        (piece.file, piece.skip, piece.skip + piece.take, split)
        for split, pieces in chosen.items()
        for piece in pieces
    )
    for (file, _, stop, first), (other, start, _, second) in itertools.pairwise(runs):
        if file == other and start < stop:
            raise UserError(
                f"splits '{first}' = '{splits[first]}' and '{second}' = '{splits[second]}' share "
                f"records of {Path(file).name}; give ranges that do not overlap"
            )


def _known(info: Any) -> str:
    sizes = ", ".join(f"{name} ({info.splits[name].num_examples:,})" for name in info.splits)
    return f"known: {sizes}, and parts such as 'train[:90%]' or 'train[:100]'"
