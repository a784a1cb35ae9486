"""Which records go where: expressions, limits, shards, and every plan that must be refused."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components import datasets
from components.datasets.prepare import prepare
from components.example_gen.executor import Executor
from components.example_gen.plan import Piece, Shard, _cut, make_plan
from components.example_gen.write import convert
from trainer.errors import UserError


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    return prepare(datasets.get("digits"), tmp_path_factory.mktemp("tfds")).info


def sizes(plan: list[Shard]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for shard in plan:
        found.setdefault(shard.split, []).append(sum(piece.take for piece in shard.pieces))
    return found


def test_shards_are_nearly_equal(info):
    plan = make_plan(info, {"train": "train[:90%]", "eval": "train[90%:]"}, None, 4)
    assert sizes(plan) == {"train": [291, 292, 292, 292], "eval": [32, 33, 32, 33]}


def test_limit_and_small_splits(info):
    plan = make_plan(info, {"train": "train", "eval": "test[:3]"}, 10, 4)
    assert sizes(plan) == {"train": [2, 3, 2, 3], "eval": [1, 1, 1]}


def test_a_sum_of_splits_keeps_every_records_identity(info):
    spec = datasets.get("digits")
    (shard,) = make_plan(info, {"all": "train+test"}, None, 1)
    ids = Counter(
        tf.train.Example.FromString(raw).features.feature["id"].bytes_list.value[0]
        for piece in shard.pieces
        for raw in convert(spec, piece)
    )
    assert len(ids) == 1797
    assert set(ids.values()) == {1}


def test_records_without_an_id_are_numbered_in_their_tfds_split(info):
    spec = datasets.get("digits")
    file = info.splits["test"].filepaths[0]
    nameless = dataclasses.replace(spec, id_feature=None)
    piece = Piece(str(file), skip=7, take=2, tfds_split="test", offset=100)
    ids = [
        tf.train.Example.FromString(raw).features.feature["id"].bytes_list.value[0]
        for raw in convert(nameless, piece)
    ]
    assert ids == [b"digits/test/107", b"digits/test/108"]


def test_a_shard_may_span_files():
    pieces = [Piece("a", 5, 3, "train", 0), Piece("b", 0, 4, "train", 8)]
    first, second = _cut("x", pieces, 2)
    assert [(p.file, p.skip, p.take) for p in first.pieces] == [("a", 5, 3)]
    assert [(p.file, p.skip, p.take) for p in second.pieces] == [("b", 0, 4)]
    first, second = _cut("x", [*pieces, Piece("c", 1, 3, "train", 12)], 2)
    assert [(p.file, p.skip, p.take) for p in first.pieces] == [("a", 5, 3), ("b", 0, 2)]
    assert [(p.file, p.skip, p.take) for p in second.pieces] == [("b", 2, 2), ("c", 1, 3)]


@pytest.mark.parametrize(
    ("splits", "limit", "shards", "message"),
    [
        ({}, None, 1, "no splits given"),
        ({"train": "trian"}, None, 1, r"'trian' cannot be read.*known: train \(1,297\), test"),
        ({"train": "train[:x]"}, None, 1, r"'train\[:x\]' cannot be read from digits"),
        ({"train": "train[:0]"}, None, 1, "split 'train' .* is empty"),
        ({"train": "train", "eval": "train[90%:]"}, None, 1, "share records"),
        ({"train": "train+train"}, None, 1, "share records"),
        ({"train": "train"}, 0, 1, "limit is 0"),
        ({"train": "train"}, None, 0, "num_shards is 0"),
    ],
)
def test_impossible_plans_are_refused(info, splits, limit, shards, message):
    with pytest.raises(UserError, match=message):
        make_plan(info, splits, limit, shards)


def test_the_executor_refuses_before_it_writes(info, tmp_path):
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    parameters = {
        "dataset": "digits",
        "splits": json.dumps({"train": "nothing"}),
        "data_dir": str(info.data_dir).removesuffix("/digits/1.0.0"),
        "num_shards": 2,
    }
    with pytest.raises(UserError, match="known: train"):
        Executor().Do({}, {"examples": [examples]}, parameters)
    assert list(tmp_path.iterdir()) == []
