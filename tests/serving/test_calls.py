"""The threads of gRPC calls: few while calls get on, more while some hold those up."""

import threading
import time

import pytest

from serving.calls import CallPool


@pytest.fixture
def release():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool():
    pool = CallPool(2, 8)
    yield pool
    pool.shutdown(wait=False)


def name_of_thread(pause_s: float = 0.0) -> str:
    time.sleep(pause_s)
    return threading.current_thread().name


def test_a_call_s_answer_and_its_error_come_back(pool):
    assert pool.submit(divmod, 7, 2).result(5) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        pool.submit(divmod, 7, 0).result(5)


def test_calls_that_get_on_stay_on_the_few_threads(pool):
    calls = [pool.submit(name_of_thread, 0.001) for _ in range(20)]
    assert {call.result(5) for call in calls} == {"grpc_0", "grpc_1"}


def test_calls_behind_silent_ones_get_threads_of_their_own(pool, release):
    silent = [pool.submit(release.wait, 30) for _ in range(6)]
    assert pool.submit(name_of_thread).result(5).startswith("grpc-more")
    assert not any(call.done() for call in silent)
    release.set()
    assert [call.result(5) for call in silent] == [True] * 6
    assert pool.submit(name_of_thread).result(5) in ("grpc_0", "grpc_1")


def test_a_call_that_comes_after_a_pause_is_watched_too(pool, release):
    for _ in range(2):
        pool.submit(release.wait, 30)
    for _ in range(3):
        assert pool.submit(name_of_thread).result(5).startswith("grpc-more")
        time.sleep(0.25)


def test_no_more_threads_than_allowed(release):
    pool = CallPool(1, 2)
    running = [pool.submit(release.wait, 30) for _ in range(4)]
    time.sleep(0.5)
    assert [call.running() for call in running] == [True, True, True, False]
    release.set()
    assert [call.result(5) for call in running] == [True] * 4
    again = [pool.submit(time.sleep, 0.4) for _ in range(3)]
    time.sleep(0.3)
    assert [call.running() for call in again] == [True] * 3


def test_a_call_given_up_before_its_turn_never_runs(release):
    pool = CallPool(1, 1)
    for _ in range(2):
        pool.submit(release.wait, 30)
    time.sleep(0.3)
    ran = []
    assert pool.submit(ran.append, 1).cancel()
    release.set()
    assert pool.submit(len, ran).result(5) == 0


def test_a_pool_without_calls_keeps_no_watch(pool):
    pool.submit(len, "").result(5)
    until = time.monotonic() + 5
    while any(t.name == "grpc-watch" and t.is_alive() for t in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_pool_that_is_shut_down_with_calls_waiting_ends_its_watch_quietly(release, monkeypatch):
    faults: list[object] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    pool = CallPool(1, 1)
    running = [pool.submit(release.wait, 30) for _ in range(3)]
    pool.shutdown(wait=False)
    until = time.monotonic() + 5
    while any(thread.name == "grpc-watch" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.02)
    release.set()
    assert [call.result(5) for call in running] == [True] * 3
    assert faults == []
