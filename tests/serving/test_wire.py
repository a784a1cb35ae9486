"""The messages of the API: one pool whoever comes first, and arrays into tensors."""

from __future__ import annotations

import importlib.util
import threading
import time

import numpy as np
import pytest

from serving import wire


def test_threads_that_come_first_together_get_messages_of_one_pool(monkeypatch) -> None:
    spec = importlib.util.spec_from_file_location("fresh_wire", wire.__file__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    make = fresh.descriptor_pool.DescriptorPool

    def slowly():
        time.sleep(0.05)
        return make()

    monkeypatch.setattr(fresh.descriptor_pool, "DescriptorPool", slowly)
    kinds = ["PredictRequest", "PredictResponse"] * 2
    found = [None] * len(kinds)

    def take(index: int) -> None:
        found[index] = fresh.message(kinds[index]).DESCRIPTOR.file.pool

    threads = [threading.Thread(target=take, args=(index,)) for index in range(len(kinds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is not None and all(pool is found[0] for pool in found)


@pytest.mark.parametrize("kind", ["S", "U", object])
def test_strings_of_every_kind_are_bytes(kind) -> None:
    proto = wire.message("TensorProto", "tensorflow.")()
    values = ["é", "abc"] if kind == "U" else ["é".encode(), b"abc"]
    wire.fill(proto, np.array(values, kind))
    assert wire.array(proto).tolist() == ["é".encode(), b"abc"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([1j]), "dtype complex128, which this client does not send; it sends float, doub"),
        (np.array(["2020-01-01"], "datetime64[D]"), r"dtype datetime64\[D\]"),
        (np.array([None, b"x"]), "an item of type NoneType where bytes or text belong"),
    ],
)
def test_what_cannot_be_sent_is_said_and_writes_nothing(array, words) -> None:
    proto = wire.message("TensorProto", "tensorflow.")()
    with pytest.raises(ValueError, match=words):
        wire.fill(proto, array)
    assert proto.ByteSize() == 0
