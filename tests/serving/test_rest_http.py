"""REST over HTTP: verbs, the framing of bodies, refusals that arrive, a stop that does not wait."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import ssl
import time

import pytest

from serving.client import Client
from serving.model_server import serve_folder
from serving.options import Limits

STATUS = b"GET /v1/models/kit HTTP/1.1\r\nConnection: close\r\n\r\n"
LARGEST = 1 << 20


@pytest.fixture(scope="module")
def base(tmp_path_factory, kit_dir, push):
    return push(kit_dir, tmp_path_factory.mktemp("http") / "kit", 1).parent


def raw(server, data: bytes, half_closed: bool = False) -> bytes:
    """Send bytes on one connection and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=5) as connection:
        connection.sendall(data)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
        return answer


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/v1/models/kit", "/v1/models/kit:predict"])
def test_other_verbs_are_malformed_requests(server, verb, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=5)
    connection.request(verb, path, None if verb == "HEAD" else b'{"inputs": [1]}')
    answer = connection.getresponse()
    said = json.dumps({"error": f"Malformed request: {verb} {path}"}).encode()
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/json")
    assert answer.headers["Content-Length"] == str(len(said))
    assert answer.read() == (b"" if verb == "HEAD" else said)
    connection.request("GET", "/v1/models/kit")  # the connection is still in step
    assert connection.getresponse().status == 200
    connection.close()


def test_the_body_of_a_get_is_not_the_next_request(server):
    body = b"GET /v1/models/no HTTP/1.1\r\n\r\n"
    head = b"GET /v1/models/kit HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    answers = raw(server, head + body + STATUS)
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == answers.count(b"HTTP/1.1") == 2


@pytest.mark.parametrize(
    ("headers", "code", "words"),
    [
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400, "the length of the body is giv"),
        (b"Content-Length: 5\r\nContent-Length: 16", 400, "the length of the body is given twice"),
        (b"Content-Length : 5", 400, "a header line is not NAME: VALUE"),
        (b" Transfer-Encoding: chunked\r\nContent-Length: 5", 400, "a header line is not NAME"),
        (
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            400,
            "the length of the body",
        ),
        (b"Transfer-Encoding: gzip, chunked", 411, "Content-Length must be a number up to"),
        (b"Host: x", 411, "Content-Length must be a number up to"),
        (b"Content-Length: -5", 400, "Content-Length must be a number up to"),
        (b"Content-Length: \xb2", 400, "Content-Length must be a number up to"),
        (b"Content-Length: " + b"9" * 5000, 413, "Content-Length must be a number up to"),
    ],
)
def test_a_length_that_can_be_doubted_ends_the_connection(server, headers, code, words):
    head = b"POST /v1/models/kit:predict HTTP/1.1\r\n" + headers + b"\r\n\r\n"
    status, _, rest = raw(server, head + b"5\r\nhello\r\n0\r\n\r\n" + STATUS).partition(b"\r\n")
    assert status.split()[1] == str(code).encode()
    assert b"Connection: close" in rest
    assert words in json.loads(rest.partition(b"\r\n\r\n")[2])["error"]


CHUNKED = b"POST /v1/models/kit:predict HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"


def test_a_body_may_come_in_chunks(server):
    chunks = b'A;x="y"\r\n{"inputs":\r\n000004 \r\n [1]\r\n1\r\n}\r\n0\r\nSum: 15\r\n\r\n'
    answers = raw(server, CHUNKED + chunks + STATUS)  # and the connection is still in step
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == answers.count(b"HTTP/1.1") == 2
    assert b'{"outputs": {"twice": [2.0], "y": [2.5]}}' in answers


@pytest.mark.parametrize(
    ("chunks", "code", "words"),
    [
        (b"5\r\nhello", 400, "a chunk does not end where it says"),
        (b"4\r\nhello\r\n0\r\n\r\n", 400, "a chunk does not end where it says"),
        (b"5\nhello\r\n0\r\n\r\n", 400, "a chunk does not begin with its size"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", 400, "a chunk does not begin with its size"),
        (b"-5\r\nhello\r\n0\r\n\r\n", 400, "a chunk does not begin with its size"),
        (b"5;" + b"x" * 5000 + b"\r\nhello", 400, "a chunk does not begin with its size"),
        (b"0\r\n", 400, "the body does not end behind its last chunk"),
        (b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400, "the body does not end behind its last"),
        (b"ffffffff\r\nhello", 413, "the body must have up to"),
    ],
)
def test_chunks_that_can_be_doubted_end_the_connection(server, chunks, code, words):
    status, _, rest = raw(server, CHUNKED + chunks, half_closed=True).partition(b"\r\n")
    assert status.split()[1] == str(code).encode()
    assert b"Connection: close" in rest
    assert words in json.loads(rest.partition(b"\r\n\r\n")[2])["error"]


def test_the_old_protocol_has_no_chunks(server):
    head = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0")
    assert b" 411 " in raw(server, head + b"2\r\n{}\r\n0\r\n\r\n").partition(b"\r\n")[0]


def post(server, body: bytes, coding: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=5)
    connection.request("POST", "/v1/models/kit:predict", body, {"Content-Encoding": coding})
    answer = connection.getresponse()
    with contextlib.closing(connection):
        return answer.status, json.load(answer)


def test_a_body_may_be_gzipped(server):
    body = gzip.compress(b'{"inputs": [1]}')
    assert post(server, body, "gzip") == (200, {"outputs": {"twice": [2.0], "y": [2.5]}})
    not_gzip = {"error": "Malformed request: the body is not gzip"}
    assert post(server, b'{"inputs": [1]}', "x-gzip") == (400, not_gzip)
    cut = {"error": "Malformed request: the body is not one whole gzip file"}
    assert post(server, body[:-1], "gzip") == (400, cut)
    assert post(server, body * 2, "gzip") == (400, cut)


def test_what_unfolds_to_too_much_is_refused(base):
    limits = Limits(request_bytes=LARGEST)
    with serve_folder("kit", base, port=0, rest_port=0, limits=limits) as server:
        most = b'{"inputs": [1]}'.ljust(LARGEST)
        assert post(server, gzip.compress(most), "gzip")[0] == 200
        said = {"error": f"the body must have up to {LARGEST} bytes"}
        assert post(server, gzip.compress(most + b" "), "gzip") == (413, said)


def test_a_body_that_ends_early_is_not_run(server):
    head = b"POST /v1/models/kit:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n"
    answer = raw(server, head + b'{"inputs": [1]}', half_closed=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"error": "the body ended after 15 of 99 bytes"}')


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_client_that_sends_first_and_reads_then_learns_that_it_sent_too_much(
    base, tls, encrypted
):
    options = {"port": 0, "rest_port": 0, "limits": Limits(request_bytes=LARGEST)}
    with serve_folder("kit", base, tls=tls if encrypted else None, **options) as server:
        connection: http.client.HTTPConnection
        if encrypted:
            context = ssl.create_default_context(cafile=tls.certificate)
            connection = http.client.HTTPSConnection(
                "127.0.0.1", server.rest_port, timeout=10, context=context
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
        connection.request("POST", "/v1/models/kit:predict", b"x" * (30 * LARGEST))
        answer = connection.getresponse()
        said = {"error": f"Content-Length must be a number up to {LARGEST}"}
        assert (answer.status, json.load(answer)) == (413, said)
        connection.close()


def test_strangers_are_refused_before_their_body_is_read(base):
    with serve_folder("kit", base, port=0, rest_port=0, token="s3cret") as server:
        head = b"POST /v1/models/kit:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n"
        answer = raw(server, head)  # and nothing follows
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"WWW-Authenticate: Bearer\r\n" in answer


def test_a_stop_does_not_wait_for_a_request_that_has_not_arrived(base):
    server = serve_folder("kit", base, port=0, rest_port=0).start()
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=5) as half:
        half.sendall(b"POST /v1/models/kit:predict HTTP/1.1\r\nExpect: 100-continue\r\n")
        half.sendall(b"Content-Length: 99\r\n\r\n{")
        assert half.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"  # its thread reads the body now
        start = time.monotonic()
        server.stop(10)
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "localhost"])
def test_rest_listens_where_grpc_does(base, host):
    try:
        socket.create_server((host, 0), family=socket.getaddrinfo(host, 0)[0][0]).close()
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with serve_folder("kit", base, host=host, port=0, rest_port=0) as server:
        name = f"[{host}]" if ":" in host else host
        for target in (server.target, f"http://{name}:{server.rest_port}"):
            with Client(target, "kit") as client:
                assert [row.version for row in client.status()] == [1]
