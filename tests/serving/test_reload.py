"""Reloading a running server: by a call, by a watched file, one over another."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

from serving import config, core, model
from serving.client import Client
from serving.config_watch import ConfigWatch
from serving.errors import NotFoundError, RequestError
from serving.model_server import ModelServer, serve_folder
from serving.status import StatusError


def parsed(text: str):
    return text_format.Parse(text, config.ModelServerConfig())


def entry(name: str, base: object, more: str = 'model_platform: "tensorflow"') -> str:
    return f'config {{ name: "{name}" base_path: "{base}" {more} }}'


@pytest.fixture
def server(tmp_path, generator_dir, push):
    push(generator_dir, tmp_path / "a", 1)
    with serve_folder("a", tmp_path / "a", port=0, poll_s=0.05) as running:
        yield running


def request(*entries: str, metrics: Sequence[str] = ()):
    text = f"model_config_list {{ {' '.join(entries)} }}"
    return model_management_pb2.ReloadConfigRequest(config=parsed(text), metric_names=metrics)


def reload(server: ModelServer, *entries: str, metrics: Sequence[str] = ()):
    with grpc.insecure_channel(server.target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        return stub.HandleReloadConfigRequest(request(*entries, metrics=metrics), timeout=20)


def test_a_reload_is_the_whole_truth(server, tmp_path, generator_dir, push):
    push(generator_dir, tmp_path / "b", 5)
    label = 'model_platform: "tensorflow" version_labels { key: "stable" value: 1 }'
    answer = reload(server, entry("a", tmp_path / "a", label), entry("b", tmp_path / "b"))
    assert answer.status.error_code == 0
    with Client(server.target, "a") as a, Client(server.target, "b") as b:
        assert a.generate([1], [1], version="stable").version == 1
        assert b.generate([1], [1]).version == 5
        reload(server, entry("b", tmp_path / "b"))
        with pytest.raises(NotFoundError):
            a.generate([1], [1])
        assert [row.state for row in a.status()] == ["END"]
        assert b.generate([1], [1]).version == 5


def test_a_reload_tells_by_how_much_counters_grew(server, tmp_path, generator_dir, push):
    for version in (4, 5):
        push(generator_dir, tmp_path / "b", version)
    loads = "/tensorflow/cc/saved_model/load_attempt_count"
    both = 'model_platform: "tensorflow" model_version_policy { all {} }'
    answer = reload(
        server,
        entry("a", tmp_path / "a"),
        entry("b", tmp_path / "b", both),
        metrics=[loads, ":tensorflow:serving:request_count", "/no/such/counter"],
    )
    grown = {metric.name: metric.int64_value_increase for metric in answer.metric}
    # It returns when the first version of a new model answers; the other may still be loading.
    assert grown.pop(loads) in (1, 2)
    assert grown == {":tensorflow:serving:request_count": 0, "/no/such/counter": 0}


def test_a_watched_config_file_is_a_reload_and_its_errors_change_nothing(
    server, tmp_path, generator_dir, push, caplog
):
    push(generator_dir, tmp_path / "b", 2)
    file = tmp_path / "models.config"
    file.write_text(f"model_config_list {{ {entry('a', tmp_path / 'a')} }}")
    watch = ConfigWatch(server.core, file, 0.02)
    watch.start()
    try:
        file.write_text("nonsense")
        wait_for(lambda: "Error parsing text-format" in caplog.text)
        assert server.core.models()["a"].available() == [1]
        file.write_text(f"model_config_list {{ {entry('b', tmp_path / 'b')} }}")
        wait_for(lambda: list(server.core.models()) == ["b"])
        wait_for(lambda: server.core.models()["b"].available() == [2])
    finally:
        watch.stop()


def test_a_refused_config_file_comes_into_force_when_its_version_has_come(
    server, tmp_path, generator_dir, push, caplog
):
    file = tmp_path / "models.config"
    all_of_them = 'model_platform: "tensorflow" model_version_policy { all {} }'
    label = all_of_them + ' version_labels { key: "canary" value: 2 }'
    file.write_text(f"model_config_list {{ {entry('a', tmp_path / 'a', label)} }}")
    # The config changed between the server's reading it and the beginning of the watch.
    watch = ConfigWatch(server.core, file, 0.02, seen=b"")
    watch.start()
    try:
        wait_for(lambda: "assign label to version 2" in caplog.text)
        push(generator_dir, tmp_path / "a", 2)
        wait_for(lambda: server.core.models()["a"].settings.labels == {"canary": 2})
        assert caplog.text.count("assign label to version 2") == 1, "told once"
    finally:
        watch.stop()


def test_a_changed_base_path_is_swapped_like_a_version(server, tmp_path, generator_dir, push):
    for version in (1, 7):
        push(generator_dir, tmp_path / "moved", version)
    stop, errors, seen = threading.Event(), [], set()

    def ask() -> None:
        with Client(server.target, "a") as client:
            while not stop.is_set():
                try:
                    seen.add(client.generate([1], [1]).version)
                except RequestError as error:
                    errors.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for base, version in (("moved", 7), ("a", 1), ("moved", 7)):
            seen.clear()
            reload(server, entry("a", tmp_path / base))
            wait_for(lambda version=version: version in seen or errors)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors
    assert server.core.models()["a"].settings.base_path == tmp_path / "moved"


@pytest.mark.parametrize("last", ["a", "quick"])
def test_the_last_reload_counts_though_an_earlier_one_ends_later(
    server, tmp_path, generator_dir, push, monkeypatch, last
):
    release, real = threading.Event(), model.load

    def load(name, version, path):
        assert path.parent.name != "slow" or release.wait(30)
        return real(name, version, path)

    monkeypatch.setattr(model, "load", load)
    for base, version in (("slow", 5), ("quick", 7)):
        push(generator_dir, tmp_path / base, version)
    with grpc.insecure_channel(server.target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        slow = request(entry("a", tmp_path / "slow"))
        earlier = stub.HandleReloadConfigRequest.future(slow, timeout=30)
        wait_for(lambda: len(server.core._threads) == 2)
        reload(server, entry("a", tmp_path / last))
        release.set()
        fault = earlier.exception()
    assert server.core.models()["a"].settings.base_path == tmp_path / last
    assert "{name: a} due to error: a later config took its place" in fault.details()


def test_a_reload_that_begins_while_a_base_path_is_swapped_leaves_a_version(
    server, tmp_path, generator_dir, push, monkeypatch
):
    push(generator_dir, tmp_path / "moved", 7)
    config_of = {name: config.single("a", tmp_path / name) for name in ("a", "moved")}
    check, begun, go_on = core._check_labels, threading.Event(), threading.Event()

    def slow_check(*args):
        check(*args)
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            go_on.wait(1)

    monkeypatch.setattr(core, "_check_labels", slow_check)
    later = threading.Thread(target=server.core.reload, args=(config_of["a"],))
    settled = core._await_settled

    def then_the_later_begins(*args):
        settled(*args)
        monkeypatch.setattr(core, "_await_settled", settled)
        later.start()
        assert begun.wait(10)

    monkeypatch.setattr(core, "_await_settled", then_the_later_begins)
    with contextlib.suppress(StatusError):
        server.core.reload(config_of["moved"])
    go_on.set()
    later.join(30)
    assert server.core.models()["a"].available() == [1]


def test_a_new_base_path_without_a_version_leaves_the_old_one_in_force(server, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(grpc.RpcError, match=r"no complete version in .*empty"):
        reload(server, entry("a", tmp_path / "empty"))
    with Client(server.target, "a") as client:
        assert client.generate([1], [1]).version == 1


def test_a_watched_config_tries_a_failing_new_base_path_again_only_when_that_changes(
    server, tmp_path, generator_dir, push, monkeypatch, caplog
):
    tries, real = [], model.load

    def load(name, version, path):
        tries.append(path)
        return real(name, version, path)

    monkeypatch.setattr(model, "load", load)
    graph = push(generator_dir, tmp_path / "moved", 7) / "saved_model.pb"
    whole = graph.read_bytes()
    graph.write_bytes(b"junk")
    file, watches = tmp_path / "models.config", []
    file.write_text(f"model_config_list {{ {entry('a', tmp_path / 'moved')} }}")
    watch = ConfigWatch(server.core, file, 0.02, seen=b"")
    reloads = server.core.reload
    monkeypatch.setattr(server.core, "reload", lambda s: (watches.append(s), reloads(s)))
    watch.start()
    try:
        wait_for(lambda: len(watches) > 5)
        assert len(tries) == 1
        assert caplog.text.count("{name: a version: 7} due to error: no readable") == 1
        assert server.core.models()["a"].available() == [1]
        graph.write_bytes(whole)
        wait_for(lambda: server.core.models()["a"].available() == [7])
    finally:
        watch.stop()


def test_a_reload_that_waits_holds_up_no_other(server, tmp_path, generator_dir, push, monkeypatch):
    release, real = threading.Event(), model.load

    def load(name, version, path):
        assert name != "slow" or release.wait(30)
        return real(name, version, path)

    monkeypatch.setattr(model, "load", load)
    for name in ("slow", "b"):
        push(generator_dir, tmp_path / name, 1)
    a, slow, b = (entry(name, tmp_path / name) for name in ("a", "slow", "b"))
    with grpc.insecure_channel(server.target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        waiting = stub.HandleReloadConfigRequest.future(request(a, slow), timeout=30)
        wait_for(lambda: "slow" in server.core.models())
        reload(server, a, slow, b)
        assert server.core.models()["b"].available() == [1]
        assert not waiting.done()
        release.set()
        waiting.result()


def test_a_reload_that_never_got_its_turn_changes_nothing(server):
    with server.core._reloading, pytest.raises(StatusError) as late:
        server.core.reload({}, wait_s=0.05)
    assert late.value.code.name == "DEADLINE_EXCEEDED"
    assert list(server.core.models()) == ["a"]


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "did not happen within ten seconds"
        time.sleep(0.01)


def test_a_refused_reload_changes_nothing(server, tmp_path):
    label = 'model_platform: "tensorflow" version_labels { key: "stable" value: 9 }'
    with pytest.raises(grpc.RpcError) as refused:
        reload(server, entry("a", tmp_path / "a", label), entry("b", tmp_path / "a"))
    assert refused.value.code().name == "FAILED_PRECONDITION"
    assert refused.value.details() == (
        "Request to assign label to version 9 of model a, which is not currently available "
        "for inference"
    )
    assert list(server.core.models()) == ["a"]


def test_a_new_model_that_does_not_load_is_told_and_the_next_reload_works(server, tmp_path):
    (tmp_path / "bad" / "1").mkdir(parents=True)
    (tmp_path / "bad" / "1" / "saved_model.pb").write_bytes(b"junk")
    with pytest.raises(grpc.RpcError) as failed:
        reload(server, entry("a", tmp_path / "a"), entry("bad", tmp_path / "bad"))
    assert failed.value.code().name == "UNKNOWN"
    assert failed.value.details().startswith(
        "1 model(s) did not become available: {{name: bad version: 1} due to error: "
    )
    (tmp_path / "empty").mkdir()
    with pytest.raises(grpc.RpcError, match="no complete version"):
        reload(server, entry("a", tmp_path / "a"), entry("empty", tmp_path / "empty"))
    reload(server, entry("a", tmp_path / "a"))
    with Client(server.target, "a") as client:
        assert client.generate([1], [1]).version == 1
