"""The client over REST: the same answers, versions and typed errors as over gRPC."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import numpy as np
import pytest

from serving.client import Client
from serving.errors import (
    DeadlineError,
    NotFoundError,
    RejectedError,
    RequestError,
    ServingError,
    UnavailableError,
)
from serving.model_server import serve_folder
from serving.options import Limits
from serving.rest_transport import RestTransport


@pytest.fixture(scope="module")
def rest(server):
    return f"http://127.0.0.1:{server.rest_port}"


def test_answers_equal_those_over_grpc(server, rest):
    with Client(server.target, "digits") as one, Client(rest, "digits") as other:
        assert np.array_equal(
            one.generate([1, 2], [3, 4]).images, other.generate([1, 2], [3, 4]).images
        )
        assert other.generate([1], [1]).images.dtype == np.uint8
        assert one.generate_png([5], [4]) == other.generate_png([5], [4])
        assert one.status() == other.status()
        assert {k: str(v) for k, v in one.metadata().items()} == {
            k: str(v) for k, v in other.metadata().items()
        }


def test_versions_and_labels_choose_and_the_answer_says_which(rest):
    two = {"a": np.array([1.5], np.float32), "b": np.array([2.0], np.float32)}
    with Client(rest, "kit") as client:
        for version, answered in ((None, 2), (1, 1), ("stable", 1)):
            answer = client.predict("two", two, version)
            assert (answer.version, answer.outputs["sum"].tolist()) == (answered, [3.5])
        several = client.predict("", {"x": np.array([1.0], np.float32)}).outputs
        assert {k: v.tolist() for k, v in several.items()} == {"y": [2.5], "twice": [2.0]}
        raw = np.array([b"\xff\x00", b"text"], np.object_)
        answer = client.predict("echo", {"text": raw})
        assert answer.outputs["text_bytes"].tolist() == raw.tolist()


def test_errors_are_typed(rest):
    with Client(rest, "digits") as client:
        with pytest.raises(NotFoundError, match=r"Specific\(digits, 9\) \(model 'digits'\)"):
            client.generate([1], [1], version=9)
        with pytest.raises(RejectedError, match="Missing named input: label"):
            client.generate([1])
        with pytest.raises(RejectedError, match='"caption" not found'):
            client.caption([b""])
        with pytest.raises(RequestError, match="over gRPC only") as refused:
            client._call("ModelService/HandleReloadConfigRequest", None, "ReloadConfigResponse")
        assert refused.value.code == "UNIMPLEMENTED"
    with (
        Client(rest, "kit", timeout_s=0.3) as client,
        pytest.raises(DeadlineError, match=r"within 0\.3 s"),
    ):
        client.predict("slow", {"rounds": np.array([2**31 - 1], np.int32)})
    with (
        Client("http://127.0.0.1:1", "m", timeout_s=2) as client,
        pytest.raises(UnavailableError, match="no model server answers at http://127"),
    ):
        client.status()


@pytest.fixture
def odd():
    """Starts a server that answers every GET with these bytes, in pieces 0.1 s apart."""
    servers = []

    def start(*pieces: bytes) -> str:
        class Odd(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    for number, piece in enumerate(pieces):
                        time.sleep(0.1 if number else 0)
                        self.wfile.write(piece)

            def log_message(self, *_) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x00\x00\x06 binary\r\n\r\n", "does not speak HTTP: give the REST port"),
        (HEAD + b"\r\n<html>", "the answer is no JSON"),
        (HEAD + b"\r\n{}", r"does not answer as a model server \(KeyError: 'model_spec'\)"),
        (HEAD + b"\r\n[]", "does not answer as a model server"),
        (HEAD + b'\r\n{"model_spec": {"name": 5}}', "does not answer as a model server"),
        (HEAD + b'\r\n{"model_spec": {}, "metadata": 5}', "does not answer as a model server"),
    ],
)
def test_another_service_is_an_error_of_the_request(odd, answer, words):
    with (
        Client(odd(answer), "m") as client,
        pytest.raises(RequestError, match=words) as refused,
    ):
        client.metadata()
    assert refused.value.code == "INTERNAL"


def test_an_answer_that_is_cut_off_is_tried_again(odd):
    cut = odd(HEAD + b'Content-Length: 1000\r\n\r\n{"a"')
    with (
        Client(cut, "m", timeout_s=0.4) as client,
        pytest.raises(UnavailableError, match="the answer was cut off"),
    ):
        client.status()


def test_an_error_whose_words_are_cut_off_keeps_its_code(odd):
    cut = odd(b'HTTP/1.1 400 Bad\r\nContent-Length: 1000\r\n\r\n{"err')
    with Client(cut, "m") as client, pytest.raises(RejectedError, match="HTTP 400 Bad"):
        client.status()


def test_an_answer_that_drips_is_late(odd):
    drips = odd(HEAD + b"Content-Length: 1000\r\n\r\n", *[b" "] * 50)
    began = time.monotonic()
    with Client(drips, "m", timeout_s=0.35) as client, pytest.raises(DeadlineError):
        client.status()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("target", ["http://bad host", "http://127.0.0.1:x", "http://:80"])
def test_an_address_that_is_none_is_refused(target):
    with pytest.raises(ServingError, match=f"'{target}' is no address: give http://HOST:PORT"):
        Client(target, "m")


@pytest.mark.parametrize(("code", "calls"), [(503, 3), (500, 1), (429, 1)])
def test_unavailable_is_tried_again_and_nothing_else(code, calls):
    asked = []

    class Flaky(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            failing = len(asked) < 3
            self.send_response(code if failing else 200)
            body = json.dumps({"error": "not now"} if failing else {}).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Flaky) as flaky:
        threading.Thread(target=flaky.serve_forever, daemon=True).start()
        with Client(f"http://127.0.0.1:{flaky.server_port}", "m") as client:
            if code == 503:
                assert client.status() == []
            else:
                with pytest.raises(RequestError, match="not now"):
                    client.status()
        flaky.shutdown()
    assert asked == ["/v1/models/m"] * calls


def test_a_refusal_while_the_body_is_being_sent_is_read():
    """A server that answers 413 and hangs up at once: the send breaks, the answer is there."""
    asked = []
    said = b'{"error": "too large"}'
    head = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % len(said)

    def refuse(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(1000)[:4])
                connection.sendall(head + said)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=refuse, args=(listening,), daemon=True).start()
        transport = RestTransport(f"http://127.0.0.1:{listening.getsockname()[1]}", None, None)
        with pytest.raises(RequestError, match="too large") as refused:
            transport._ask("/v1/models/m:predict", ["x" * (32 << 20)], time.monotonic() + 10)
        listening.shutdown(socket.SHUT_RDWR)
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert asked == [b"POST"]


def test_too_large_a_request_is_refused_by_name(tmp_path, kit_dir, push):
    push(kit_dir, tmp_path / "kit", 1)
    limits = Limits(request_bytes=1 << 20)
    with (
        serve_folder("kit", tmp_path / "kit", port=0, rest_port=0, limits=limits) as server,
        Client(f"http://127.0.0.1:{server.rest_port}", "kit") as client,
    ):
        with pytest.raises(RequestError, match="must be a number up to 1048576") as refused:
            client.predict("", {"x": np.zeros(3_000_000, np.float32)})
        assert refused.value.code == "RESOURCE_EXHAUSTED"
        assert client.predict("", {"x": np.zeros(1, np.float32)}).version == 1
