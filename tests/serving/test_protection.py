"""TLS, token, limits and CORS: who may ask, and how much."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
import zlib

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    inference_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.client import Client
from serving.errors import RejectedError, RequestError, ServingError, UnavailableError
from serving.model_server import ModelServer, serve_folder
from serving.options import METRICS_PATH, Limits, Tls, read_token

TOKEN = "s3cret.token"


@pytest.fixture(scope="module")
def base(tmp_path_factory, generator_dir, kit_dir, push):
    root = tmp_path_factory.mktemp("guarded")
    push(generator_dir, root / "digits", 1)
    push(kit_dir, root / "kit", 1)
    return root


@pytest.fixture(scope="module")
def guarded(base, tls):
    options = {"port": 0, "rest_port": 0, "tls": tls, "token": TOKEN}
    with serve_folder("digits", base / "digits", **options) as running:
        yield running


def targets(server: ModelServer) -> list[str]:
    return [server.target, f"https://127.0.0.1:{server.rest_port}"]


def test_a_client_with_certificate_and_token_is_answered_over_both(guarded, tls):
    answers = []
    for target in targets(guarded):
        with Client(target, "digits", ca=tls.certificate, token=TOKEN) as client:
            answers.append(client.generate([1, 2], [3, 3]).images)
    assert np.array_equal(*answers)


@pytest.mark.parametrize("token", [None, "other", "s3cret.tokeN"])
def test_without_the_token_nothing_is_told(guarded, tls, token):
    for target in targets(guarded):
        with (
            Client(target, "digits", ca=tls.certificate, token=token) as client,
            pytest.raises(RequestError, match="wants a bearer token") as refused,
        ):
            client.status()
        assert refused.value.code == "UNAUTHENTICATED"


def test_a_stranger_is_refused_before_anything_is_read(guarded, tls):
    """Who waited for a stranger's message would give a thread to whoever sends none."""
    credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
    gone = threading.Event()

    def silence():
        gone.wait(30)
        yield from ()

    with grpc.secure_channel(guarded.target, credentials) as channel:
        ask = channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
        refused = ask.future(silence(), timeout=20).exception()
        gone.set()
    assert refused.code().name == "UNAUTHENTICATED"


def test_without_tls_or_trust_there_is_no_connection(guarded):
    port = guarded.rest_port
    for target in (guarded.target, f"grpcs://{guarded.target}", f"https://127.0.0.1:{port}"):
        with (
            Client(target, "digits", token=TOKEN, timeout_s=2) as client,
            pytest.raises(UnavailableError),
        ):
            client.status()


def test_metrics_want_the_token_too(guarded, tls):
    url = f"https://127.0.0.1:{guarded.rest_port}{METRICS_PATH}"
    context = ssl.create_default_context(cafile=tls.certificate)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10, context=context)
    allowed = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(allowed, timeout=10, context=context) as answer:
        assert b":tensorflow:serving:" in answer.read()


def test_a_silent_connection_does_not_hold_the_others(guarded, tls):
    with (
        socket.create_connection(("127.0.0.1", guarded.rest_port)),
        Client(targets(guarded)[1], "digits", ca=tls.certificate, token=TOKEN) as client,
    ):
        assert client.generate([1], [1]).version == 1


def test_files_that_are_no_certificate_are_one_clear_error(base, tls, tmp_path):
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    with pytest.raises(ServingError, match="are no certificate and its key"):
        Tls(junk, tls.certificate)
    with pytest.raises(ServingError, match="cannot read the certificate file"):
        Client("127.0.0.1:1", "m", ca=tmp_path / "no.pem")
    with pytest.raises(ServingError, match="needs https://"):
        Client("http://127.0.0.1:1", "m", ca=tls.certificate)
    token = tmp_path / "token"
    token.write_text(f"  {TOKEN}\n")
    assert read_token(token) == TOKEN


@pytest.fixture(scope="module")
def limited(base):
    limits = Limits(request_bytes=100_000, batch_rows=8, image_side=64)
    with serve_folder("kit", base / "kit", port=0, rest_port=0, limits=limits) as running:
        yield running


def both(server: ModelServer):
    for target in (server.target, f"http://127.0.0.1:{server.rest_port}"):
        with Client(target, "kit") as client:
            yield client


def png(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_too_many_rows_are_refused(limited):
    for client in both(limited):
        two = {"a": np.ones(8, np.float32), "b": np.ones(8, np.float32)}
        assert client.predict("two", two).outputs["sum"].tolist() == [2.0] * 8
        two["b"] = np.ones(9, np.float32)
        with pytest.raises(RejectedError, match="input b has 9 rows; this server allows 8"):
            client.predict("two", two)


def test_images_that_unfold_too_far_are_refused_by_their_header(limited):
    for client in both(limited):
        assert client.caption([png(64)]).captions == ["a red circle"]
        with pytest.raises(RejectedError, match="image 1 is 65x65 pixels; this server allows 64"):
            client.caption([png(64), png(65)])
        head = b"IHDR" + (60_000).to_bytes(4, "big") * 2 + png(20)[24:29]
        bomb = png(20)[:12] + head + zlib.crc32(head).to_bytes(4, "big") + png(20)[33:]
        with pytest.raises(RejectedError, match="image 0"):
            client.caption([bomb])


def test_oversize_messages_are_refused_before_they_are_read(limited):
    text = {"text": np.array([b"x" * 100_001], np.object_)}
    words = ["larger than max", "Content-Length must be a number up to 100000"]
    for client, expected in zip(both(limited), words, strict=True):
        with pytest.raises(RequestError, match=expected) as refused:
            client.predict("echo", text)
        assert refused.value.code == "RESOURCE_EXHAUSTED"
        assert client.predict("echo", {"text": np.array([b"x"], np.object_)}).version == 1


def test_pages_of_other_sites_may_ask_only_if_allowed(base, limited):
    def allowed(server: ModelServer) -> str | None:
        url = f"http://127.0.0.1:{server.rest_port}/v1/models/kit"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.headers["Access-Control-Allow-Origin"]

    assert allowed(limited) is None
    with serve_folder("kit", base / "kit", port=0, rest_port=0, cors=True) as server:
        assert allowed(server) == "*"
        ask = urllib.request.Request(
            f"http://127.0.0.1:{server.rest_port}/v1/models/kit:predict", method="OPTIONS"
        )
        with urllib.request.urlopen(ask, timeout=10) as answer:
            assert answer.headers["Access-Control-Allow-Methods"] == "POST, GET"


def test_rest_requests_have_a_time_limit(base):
    options = {"port": 0, "rest_port": 0, "rest_timeout_s": 0.3}
    with serve_folder("kit", base / "kit", **options) as server:
        endless = {"rounds": np.array([2**31 - 1], np.int32)}
        with (
            Client(f"http://127.0.0.1:{server.rest_port}", "kit") as client,
            pytest.raises(RequestError) as late,
        ):
            client.predict("slow", endless)
        assert late.value.code == "DEADLINE_EXCEEDED"


@pytest.fixture
def endless(tmp_path):
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def sum_up(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        rounds = tf.while_loop(lambda i: i < 2**62, lambda i: [i + 1], [tf.constant(0, tf.int64)])
        return {"outputs": tf.fill(tf.shape(inputs), tf.cast(rounds[0], tf.float32))}

    tf.saved_model.save(module, str(tmp_path / "1"), signatures=sum_up)
    with serve_folder("endless", tmp_path, port=0, rest_port=0, rest_timeout_s=0.3) as running:
        yield running


def test_examples_have_the_time_limit_too(endless):
    url = f"http://127.0.0.1:{endless.rest_port}/v1/models/endless:regress"
    with pytest.raises(urllib.error.HTTPError) as late:
        urllib.request.urlopen(url, b'{"examples": [{}]}', timeout=10)
    with late.value:
        assert late.value.code == 504


def test_examples_have_the_clients_time_limit(endless):
    spec, one = {"name": "endless"}, {"example_list": {"examples": [{}]}}
    task = {"model_spec": spec, "method_name": "tensorflow/serving/regress"}
    with grpc.insecure_channel(endless.target) as channel:
        prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for call, request in (
            (prediction.Regress, regression_pb2.RegressionRequest(model_spec=spec, input=one)),
            (
                prediction.MultiInference,
                inference_pb2.MultiInferenceRequest(tasks=[task], input=one),
            ),
        ):
            with pytest.raises(grpc.RpcError) as late:
                call(request, timeout=0.3)
            assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    start = time.monotonic()
    endless.stop(10)  # nothing runs on for clients that are gone
    assert time.monotonic() - start < 5


def test_health_needs_no_token(guarded, tls):
    credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
    with grpc.secure_channel(guarded.target, credentials) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert check(b"", timeout=10) == b"\x08\x01"
