"""One request's end must not cancel another's run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest
import tensorflow as tf
from tensorflow.python.eager.cancellation import CancellationManager

from serving.servable import load
from serving.status import StatusError


@pytest.fixture(scope="module")
def echo(kit_dir):
    return load("kit", 1, kit_dir).signature("echo")


class Paused:
    """A signature's function that waits between the begin of a run and its first operation."""

    def __init__(self, signature) -> None:
        self.begun, self.go, self.manager = Event(), Event(), CancellationManager()
        self._run = signature.function
        self.signature = replace(signature, function=self)

    def __call__(self, **inputs):
        self.begun.set()
        assert self.go.wait(10)
        return self._run(**inputs)

    def run(self):
        return self.signature.run({"text": tf.constant(["a"])}, self.manager)


def test_a_run_does_not_take_the_manager_of_one_that_began_later(echo):
    first, second = Paused(echo), Paused(echo)
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(first.run)
        assert first.begun.wait(10)
        other = pool.submit(second.run)
        assert second.begun.wait(10)
        second.manager.start_cancel()
        first.go.set()
        assert answer.result()["text_bytes"].numpy().tolist() == [b"a"]
        second.go.set()
        with pytest.raises(StatusError, match="cancelled"):
            other.result()


def test_a_cancelled_manager_ends_its_own_run(echo):
    manager = CancellationManager()
    manager.start_cancel()
    with pytest.raises(StatusError) as ended:
        echo.run({"text": tf.constant(["a"])}, manager)
    assert ended.value.code.name == "CANCELLED"
    assert echo.run({"text": tf.constant(["a"])})["text_bytes"].numpy().tolist() == [b"a"]
