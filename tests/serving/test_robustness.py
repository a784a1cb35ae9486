"""Nobody else's request suffers: hanging up, stopping, slow loads, junk on the wire."""

from __future__ import annotations

import gc
import shutil
import socket
import threading
import time

import grpc
import numpy as np
import pytest

from serving import config, model
from serving.client import Client
from serving.errors import RequestError
from serving.model_server import ModelServer, serve_folder
from serving.servable import Servable

ROUNDS = {"rounds": np.array([6_000], np.int32)}
ENDLESS = {"rounds": np.array([2**31 - 1], np.int32)}


def wait_for(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "did not happen within twenty seconds"
        time.sleep(0.01)


def users(server: ModelServer, name: str) -> int:
    return sum(entry.users for entry in server.core.models()[name]._entries.values())


def test_a_client_that_hangs_up_frees_its_version_with_its_deadline(server):
    def ask(client: Client) -> None:
        with pytest.raises((RequestError, ValueError, grpc.RpcError)):
            client.predict("slow", ENDLESS)

    client = Client(server.target, "kit", timeout_s=2)
    asking = threading.Thread(target=ask, args=(client,))
    asking.start()
    wait_for(lambda: users(server, "kit") == 1)
    client.close()
    asking.join(timeout=10)
    with Client(server.target, "kit") as other:
        one = np.array([1.0], np.float32)
        assert other.predict("two", {"a": one, "b": one}).outputs["sum"].tolist() == [2.0]
    wait_for(lambda: users(server, "kit") == 0)


def test_calls_whose_messages_never_come_hold_up_nobody(server):
    """Each holds a thread: of the pool, not of those that may run."""
    gone = threading.Event()

    def silence():
        gone.wait(30)
        yield from ()

    with grpc.insecure_channel(server.target) as silent, Client(server.target, "digits") as client:
        open_ones = [
            silent.stream_unary("/tensorflow.serving.PredictionService/Predict").future(silence())
            for _ in range(60)
        ]
        time.sleep(0.5)
        assert client.generate([1], [1]).version == 3
        assert not any(call.done() for call in open_ones)
        gone.set()


def test_half_a_rest_request_and_junk_harm_nobody(server):
    address = ("127.0.0.1", server.rest_port)
    with (
        socket.create_connection(address) as half,
        socket.create_connection(address) as junk,
        socket.create_connection(("127.0.0.1", server.port)) as other,
    ):
        half.sendall(b"POST /v1/models/kit:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
        junk.sendall(b"\x16\x03\x01\xff\xfe\r\n\r\n")
        other.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with Client(f"http://127.0.0.1:{server.rest_port}", "digits") as client:
            assert client.generate([1], [1]).version == 3
        assert b"400" in junk.recv(200)
    with Client(server.target, "digits") as client:
        assert client.generate([1], [1]).version == 3


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_requests_under_way_are_answered_when_the_server_stops(tmp_path, kit_dir, push, scheme):
    push(kit_dir, tmp_path / "kit", 1)
    server = serve_folder("kit", tmp_path / "kit", port=0, rest_port=0).start()
    target = server.target if scheme == "grpc" else f"http://127.0.0.1:{server.rest_port}"
    answers = []
    with Client(target, "kit") as client:
        asking = threading.Thread(
            target=lambda: answers.append(client.predict("slow", ROUNDS).version)
        )
        asking.start()
        wait_for(lambda: users(server, "kit") == 1 or answers)
        assert not answers, "the request must outlast the moment the server is told to stop"
        server.stop(30)
        asking.join(timeout=10)
    assert answers == [1]
    with Client(target, "kit", timeout_s=1) as late, pytest.raises(RequestError):
        late.status()


def test_a_slow_load_delays_no_other_model(tmp_path, generator_dir, push, monkeypatch):
    push(generator_dir, tmp_path / "slow", 1)
    push(generator_dir, tmp_path / "quick", 1)
    models = {
        **config.single("slow", tmp_path / "slow"),
        **config.single("quick", tmp_path / "quick"),
    }
    release, loading = threading.Event(), threading.Event()

    def load(name, version, path):
        if (name, version) == ("slow", 2):
            loading.set()
            assert release.wait(30)
        return real(name, version, path)

    real = model.load
    with ModelServer(models, port=0, poll_s=0.02) as server:
        monkeypatch.setattr(model, "load", load)
        push(generator_dir, tmp_path / "slow", 2)
        assert loading.wait(10)
        push(generator_dir, tmp_path / "quick", 2)
        quick = server.core.models()["quick"]
        wait_for(lambda: quick.available() == [2])
        with Client(server.target, "slow") as client:
            assert client.generate([1], [1]).version == 1
            assert {r.version: r.state for r in client.status()} == {2: "LOADING", 1: "AVAILABLE"}
        release.set()
        wait_for(lambda: server.core.models()["slow"].available() == [2])


def test_a_model_that_leaves_while_it_loads_is_not_kept(tmp_path, generator_dir, push, monkeypatch):
    push(generator_dir, tmp_path / "m", 1)
    push(generator_dir, tmp_path / "stays", 1)
    stays = config.single("stays", tmp_path / "stays")
    release, loading = threading.Event(), threading.Event()

    def load(name, version, path):
        if version == 2:
            loading.set()
            assert release.wait(30)
        return real(name, version, path)

    real = model.load
    with ModelServer(
        {**config.single("m", tmp_path / "m"), **stays}, port=0, poll_s=0.02
    ) as server:
        monkeypatch.setattr(model, "load", load)
        leaving = server.core.models()["m"]
        push(generator_dir, tmp_path / "m", 2)
        assert loading.wait(10)
        server.core.reload(stays)
        release.set()
        wait_for(lambda: leaving.available() == [] and leaving.memory() == {})


def test_many_models_load_at_once(tmp_path, generator_dir, push):
    models = {}
    for number in range(6):
        push(generator_dir, tmp_path / f"m{number}", 1)
        models |= config.single(f"m{number}", tmp_path / f"m{number}")
    with ModelServer(models, port=0) as server:
        pictures = []
        for name in models:
            with Client(server.target, name) as client:
                pictures.append(client.generate([7], [3]).images)
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


def test_memory_is_given_back_after_unloading(tmp_path, generator_dir, push):
    push(generator_dir, tmp_path / "m", 1)
    with serve_folder("m", tmp_path / "m", port=0, poll_s=0.02) as server:
        followed = server.core.models()["m"]
        for version in (2, 3):
            push(generator_dir, tmp_path / "m", version)
            wait_for(lambda version=version: followed.available() == [version])
        shutil.rmtree(tmp_path / "m" / "3")
        wait_for(lambda: followed.available() == [2])
        assert list(followed.memory()) == [2]
        wait_for(lambda: _alive("m") == [2])


def _alive(name: str) -> list[int]:
    found = (o for o in gc.get_objects() if isinstance(o, Servable))
    return [servable.version for servable in found if servable.name == name]
