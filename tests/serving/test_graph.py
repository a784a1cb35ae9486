"""A graph in a session: values in and out, time limits, and what it leaves behind."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from serving.graph import Graph
from serving.servable import load
from serving.status import Code, StatusError

ENDLESS = np.array([2**31 - 1], np.int32)


@pytest.fixture(scope="module")
def kit(kit_dir):
    return load("kit", 1, kit_dir)


def test_signatures_take_and_give_arrays(kit):
    made = kit.signature("").run({"x": np.array([1.0, 2.0], np.float32)})
    assert {alias: array.tolist() for alias, array in made.items()} == {
        "y": [2.5, 3.0],
        "twice": [2.0, 4.0],
    }
    text = np.array([b"a", b"", b"\0b\0"], object)
    assert kit.signature("echo").run({"text": text})["text_bytes"].tolist() == text.tolist()


def test_a_run_that_takes_too_long_ends_and_its_neighbour_does_not(kit):
    slow = kit.signature("slow")
    with ThreadPoolExecutor(1) as pool:
        short = pool.submit(slow.run, {"rounds": np.array([2000], np.int32)}, 60)
        start = time.monotonic()
        with pytest.raises(StatusError, match="Timed out") as late:
            slow.run({"rounds": ENDLESS}, 0.2)
        assert late.value.code == Code.DEADLINE_EXCEEDED
        assert 0.2 <= time.monotonic() - start < 10
        assert short.result()["sum"].tolist() == pytest.approx([200.0], rel=1e-3)


def test_an_unknown_tensor_is_said_by_name(kit_dir):
    with pytest.raises(KeyError, match="nowhere"):
        Graph(kit_dir, "serve").run({}, ["nowhere:0"])


class Lookup(tf.Module):
    """A variable and a table: both need more than the graph."""

    def __init__(self) -> None:
        super().__init__()
        names = tf.lookup.KeyValueTensorInitializer(["red", "blue"], [1.0, 2.0])
        self.table = tf.lookup.StaticHashTable(names, -1.0)
        self.gain = tf.Variable(10.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, colour: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": self.gain * self.table.lookup(colour)}


def test_variables_are_restored_and_tables_filled(tmp_path):
    tf.saved_model.save(Lookup(), str(tmp_path / "m"))
    model = load("m", 1, tmp_path / "m")
    colours = np.array([b"blue", b"green", b"red"], object)
    assert model.signature("").run({"colour": colours})["number"].tolist() == [20.0, -10.0, 10.0]
    assert set(model.signatures) == {"serving_default"}, "not the operation that fills tables"
    parts = [tmp_path / "m" / "saved_model.pb", *(tmp_path / "m").glob("variables/*data*")]
    assert model.memory == sum(part.stat().st_size for part in parts)
