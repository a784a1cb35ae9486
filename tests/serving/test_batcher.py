"""Server-side batching: who runs together, what may not, and that no answer changes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tensorflow.core.protobuf import meta_graph_pb2

from serving.batcher import Batcher, allows
from serving.cancellation import Cancellation
from serving.client import Client
from serving.errors import RejectedError
from serving.model_server import serve_folder
from serving.options import Batching
from serving.servable import Signature
from serving.status import Code, StatusError, invalid


class Doubler:
    """A signature that doubles rows, refuses negative ones and can be held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.patience: list = []

    def run(self, inputs, timeout_s=None):
        x = inputs["x"]
        self.sizes.append(len(x))
        self.patience.append(timeout_s)
        self.entered.release()
        assert self.gate.wait(10)
        if (x < 0).any():
            raise invalid(f"{int((x < 0).sum())} negative rows")
        return {"y": 2 * x}


@pytest.fixture
def doubler():
    return Doubler()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as threads:
        yield threads


def ask(batcher, signature, *values, cancel=None, width=0):
    array = np.array(values, np.float32)
    array = np.repeat(array[:, None], width, axis=1) if width else array
    return batcher.run(signature, {"x": array}, cancel or Cancellation())["y"].tolist()


def queued(batcher, count):
    end = time.monotonic() + 10
    while len(batcher._waiting) != count:
        assert time.monotonic() < end
        time.sleep(0.001)


def held(batcher, doubler, pool, *asked):
    """Hold the only place with one request, queue the others behind it, then let go."""
    doubler.gate.clear()
    first = pool.submit(ask, batcher, doubler, 0.0)
    assert doubler.entered.acquire(timeout=10)
    futures = []
    for number, (values, options) in enumerate(asked, 1):
        futures.append(pool.submit(ask, batcher, doubler, *values, **options))
        queued(batcher, number)
    doubler.gate.set()
    assert first.result(10) == [0.0]
    return futures


def test_what_waits_together_runs_together_and_rows_keep_their_order(doubler, pool):
    seen = []
    batcher = Batcher(Batching(8, num_batch_threads=1), lambda *batch: seen.append(batch))
    asked = [((1.0,), {}), ((2.0, 3.0), {}), ((4.0,), {})]
    answers = [f.result(10) for f in held(batcher, doubler, pool, *asked)]
    assert answers == [[2.0], [4.0, 6.0], [8.0]]
    assert doubler.sizes == [1, 4]
    (requests, padded) = seen[1]
    assert [rows for rows, _ in requests] == [1, 2, 1]
    assert padded == 4
    assert all(waited > 0 for _, waited in requests)


def test_a_batch_has_a_largest_size_and_one_inner_shape(doubler, pool):
    batcher = Batcher(Batching(4, num_batch_threads=1))
    asked = [((1.0, 2.0), {}), ((3.0,), {"width": 2}), ((4.0, 5.0), {}), ((6.0,), {})]
    answers = [f.result(10) for f in held(batcher, doubler, pool, *asked)]
    assert answers == [[2.0, 4.0], [[6.0, 6.0]], [8.0, 10.0], [12.0]]
    assert sorted(doubler.sizes[1:]) == [1, 1, 4]


def test_allowed_sizes_are_reached_by_rows_nobody_sees(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1, allowed_batch_sizes=(1, 4, 8)))
    answers = held(batcher, doubler, pool, ((1.0,), {}), ((2.0,), {}))
    assert [f.result(10) for f in answers] == [[2.0], [4.0]]
    assert doubler.sizes == [1, 4]


def test_nobody_pays_for_anothers_request(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1))
    good, bad, other = held(batcher, doubler, pool, ((1.0,), {}), ((-1.0, -2.0), {}), ((3.0,), {}))
    assert (good.result(10), other.result(10)) == ([2.0], [6.0])
    with pytest.raises(StatusError, match="2 negative rows"):
        bad.result(10)
    assert doubler.sizes == [1, 4, 1, 2, 1]


def test_a_lone_request_waits_no_longer_than_the_timeout(doubler):
    batcher = Batcher(Batching(8, batch_timeout_micros=50_000))
    start = time.monotonic()
    assert ask(batcher, doubler, 1.0) == [2.0]
    assert 0.05 <= time.monotonic() - start < 1


def test_a_full_batch_does_not_wait(doubler, pool):
    batcher = Batcher(Batching(2, batch_timeout_micros=20_000_000))
    answers = [pool.submit(ask, batcher, doubler, float(i)) for i in range(4)]
    assert sorted(f.result(10)[0] for f in answers) == [0.0, 2.0, 4.0, 6.0]
    assert doubler.sizes == [2, 2]


def test_too_large_and_too_many_are_refused_in_the_contracts_words(doubler, pool):
    batcher = Batcher(Batching(2, max_enqueued_batches=1, num_batch_threads=1))
    with pytest.raises(StatusError, match="Task size 3 is larger than maximum input batch size 2"):
        ask(batcher, doubler, 1.0, 2.0, 3.0)
    doubler.gate.clear()
    first = pool.submit(ask, batcher, doubler, 0.0)
    doubler.entered.acquire(timeout=10)
    waiting = pool.submit(ask, batcher, doubler, 1.0, 2.0)
    queued(batcher, 1)
    with pytest.raises(StatusError, match="queue to which this task was submitted is full") as full:
        ask(batcher, doubler, 3.0)
    assert full.value.code == Code.UNAVAILABLE
    doubler.gate.set()
    assert (first.result(10), waiting.result(10)) == ([0.0], [2.0, 4.0])


@pytest.mark.parametrize(
    ("parameters", "sizes"),
    [
        (Batching(2, enable_large_batch_splitting=True), [2, 2, 1]),
        (Batching(9, enable_large_batch_splitting=True, max_execution_batch_size=2), [2, 2, 1]),
        (Batching(3, allowed_batch_sizes=(2, 3), enable_large_batch_splitting=True), [3, 2]),
        (Batching(9, max_execution_batch_size=2), [5]),
    ],
)
def test_a_request_larger_than_a_batch_runs_in_several(doubler, parameters, sizes):
    assert ask(Batcher(parameters), doubler, *range(5)) == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert doubler.sizes == sizes


def test_an_abandoned_request_leaves_the_queue_and_the_others_are_answered(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1))
    cancel = Cancellation()
    doubler.gate.clear()
    first = pool.submit(ask, batcher, doubler, 0.0)
    assert doubler.entered.acquire(timeout=10)
    gone = pool.submit(ask, batcher, doubler, 1.0, cancel=cancel)
    queued(batcher, 1)
    stays = pool.submit(ask, batcher, doubler, 2.0)
    queued(batcher, 2)
    cancel.cancel()
    with pytest.raises(StatusError) as abandoned:
        gone.result(10)
    assert abandoned.value.code == Code.CANCELLED
    doubler.gate.set()
    assert (first.result(10), stays.result(10)) == ([0.0], [4.0])
    assert doubler.sizes == [1, 1]


def test_a_run_may_take_as_long_as_its_most_patient_request_waits(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1))
    asked = [((1.0,), {"cancel": Cancellation(20)}), ((2.0,), {"cancel": Cancellation(30)})]
    answers = [f.result(10) for f in held(batcher, doubler, pool, *asked)]
    assert answers == [[2.0], [4.0]]
    assert doubler.patience[0] is None
    assert 20 < doubler.patience[1] < 30


def test_one_that_waits_for_ever_is_not_cut_short_by_the_others(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1))
    asked = [((1.0,), {"cancel": Cancellation(20)}), ((2.0,), {})]
    assert [f.result(10) for f in held(batcher, doubler, pool, *asked)] == [[2.0], [4.0]]
    assert doubler.patience == [None, None]


def test_a_deadline_that_passes_in_the_queue_ends_the_wait(doubler, pool):
    batcher = Batcher(Batching(8, num_batch_threads=1))
    doubler.gate.clear()
    first = pool.submit(ask, batcher, doubler, 0.0)
    assert doubler.entered.acquire(timeout=10)
    with pytest.raises(StatusError, match="Timed out") as late:
        ask(batcher, doubler, 1.0, cancel=Cancellation(0.05))
    assert late.value.code == Code.DEADLINE_EXCEEDED
    doubler.gate.set()
    assert first.result(10) == [0.0]
    assert doubler.sizes == [1]


def definition(outputs, inputs=((-1,),)):
    made = meta_graph_pb2.SignatureDef()
    for kind, shapes in (("inputs", inputs), ("outputs", outputs)):
        for number, shape in enumerate(shapes):
            info = getattr(made, kind)[f"t{number}"]
            info.tensor_shape.SetInParent()
            for size in shape:
                info.tensor_shape.dim.add(size=size)
    return made


@pytest.mark.parametrize(
    ("made", "allowed"),
    [
        (definition([(-1, 8, 8, 1)]), True),
        (definition([(-1,), (-1,)]), True),
        (definition([(1,)]), False),
        (definition([()]), False),
        (definition([(-1, -1)]), False),
        (definition([(-1,)], inputs=((-1,), ())), False),
        (definition([(-1,)], inputs=((-1, -1, -1, 3),)), True),
        (definition([]), False),
    ],
)
def test_only_signatures_of_independent_rows_allow_it(made, allowed):
    assert allows(Signature("s", made, None)) is allowed


def test_no_byte_of_an_answer_changes_and_bad_requests_stay_alone(tmp_path, generator_dir, push):
    push(generator_dir, tmp_path / "m", 1)
    with (
        serve_folder("m", tmp_path / "m", port=0) as server,
        Client(server.target, "m") as client,
    ):
        wanted = client.generate(range(48), [3] * 48).images
    parameters = Batching(16, batch_timeout_micros=5_000, allowed_batch_sizes=(4, 16))
    with (
        serve_folder("m", tmp_path / "m", port=0, batching=parameters) as server,
        Client(server.target, "m") as client,
        ThreadPoolExecutor(24) as pool,
    ):

        def one(seed: int) -> np.ndarray:
            with pytest.raises(RejectedError, match="Missing but required"):
                client.generate([seed])
            return client.generate([seed], [3]).images[0]

        assert np.array_equal(np.stack(list(pool.map(one, range(48)))), wanted)
        page = server.engine.metrics.page().decode()
    batches = next(
        float(line.split()[1])
        for line in page.splitlines()
        if line.startswith(":tensorflow:serving:batching_session:processed_batch_size_count")
    )
    assert batches < 48
