"""The client: answers, typed errors, retries on UNAVAILABLE only, no TensorFlow."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent import futures

import grpc
import numpy as np
import pytest
from PIL import Image

from serving import wire
from serving.client import Client
from serving.errors import (
    DeadlineError,
    NotFoundError,
    RejectedError,
    RequestError,
    UnavailableError,
)


@pytest.fixture(scope="module")
def digits(server):
    with Client(server.target, "digits") as client:
        yield client


def test_the_same_seed_gives_the_same_image_whatever_the_batch(digits):
    images, version = digits.generate(range(8), [4] * 8)
    assert (images.shape, images.dtype, version) == ((8, 8, 8, 1), np.uint8, 3)
    assert np.array_equal(digits.generate([5], [4]).images[0], images[5])
    assert not np.array_equal(images[5], images[6])
    (png,) = digits.generate_png([5], [4]).pngs
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), images[5, :, :, 0])


def test_captions_status_and_metadata(server):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    with Client(server.target, "kit") as client:
        answer = client.caption([buffer.getvalue()] * 2, version="stable")
        assert answer.captions == ["a red circle"] * 2
        assert answer.log_probs.tolist() == [-48.0, -48.0]
        assert answer.version == 1
        assert [(row.version, row.state) for row in client.status()] == [
            (2, "AVAILABLE"),
            (1, "AVAILABLE"),
        ]
        assert client.metadata()["caption"].inputs["image_bytes"].name == "caption_image_bytes:0"


def test_errors_are_typed_and_name_the_model(server, digits):
    with pytest.raises(NotFoundError, match=r"Specific\(digits, 9\) \(model 'digits'\)"):
        digits.generate([1], [1], version=9)
    with pytest.raises(RejectedError, match=r"Missing but required: \{label\}"):
        digits.generate([1])
    with pytest.raises(RejectedError, match='"caption" not found') as refused:
        digits.caption([b""])
    assert refused.value.code == "FAILED_PRECONDITION"
    with Client(server.target, "kit", timeout_s=0.2) as client, pytest.raises(DeadlineError):
        client.predict("slow", {"rounds": np.array([2**31 - 1], np.int32)})


def test_what_cannot_be_asked_is_refused_before_it_is_sent(digits):
    for seeds, version, words in (
        ([2**63], None, "integers of 64 bits"),
        (["a"], None, "integers of 64 bits"),
        ([1], 2**70, f"version {2**70}: give a label, or a number up to {2**63 - 1}"),
    ):
        with pytest.raises(RejectedError, match=words) as refused:
            digits.generate(seeds, [1], version)
        assert refused.value.code == "INVALID_ARGUMENT"
    with pytest.raises(RejectedError, match="input 'seed': dtype complex128"):
        digits.predict("generate", {"seed": np.array([1j])})


def test_an_answer_without_what_was_asked_for_says_what_it_has(digits):
    with pytest.raises(RejectedError, match="version 3 answers image and no 'value'"):
        digits.generate_values([1], [1])


def test_an_answer_that_cannot_be_read_is_typed(server):
    with (
        Client(server.target, "kit") as client,
        pytest.raises(RequestError, match=r"which this client does not read \(model 'kit'\)"),
    ):
        client.predict("casts", {"v": np.array([1], np.int32)})


def test_byte_strings_as_numpy_makes_them_are_strings(server):
    with Client(server.target, "kit") as client:
        for text in (np.array([b"a", b"bc"]), np.array(["a", "bc"]), [b"a", b"bc"]):
            answer = client.predict("echo", {"text": text})
            assert answer.outputs["text_bytes"].tolist() == [b"a", b"bc"]


def test_a_closed_client_says_so(server):
    client = Client(server.target, "digits")
    client.close()
    with pytest.raises(RequestError, match="this client is closed") as refused:
        client.status()
    assert refused.value.code == "CANCELLED"


class Flaky:
    """A server that fails the first calls with a code, then answers."""

    def __init__(self, code: grpc.StatusCode, failures: int) -> None:
        self.code, self.failures, self.calls = code, failures, 0

    def __call__(self, request, context):
        self.calls += 1
        if self.calls <= self.failures:
            context.abort(self.code, "not now")
        return wire.message("GetModelStatusResponse")()


@pytest.fixture
def flaky():
    servers = []

    def start(code: grpc.StatusCode, failures: int) -> tuple[Flaky, str]:
        service = Flaky(code, failures)
        handler = grpc.unary_unary_rpc_method_handler(
            service,
            request_deserializer=wire.message("GetModelStatusRequest").FromString,
            response_serializer=wire.message("GetModelStatusResponse").SerializeToString,
        )
        server = grpc.server(futures.ThreadPoolExecutor(1))
        methods = {"GetModelStatus": handler}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", methods),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return service, f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(0)


def test_unavailable_is_tried_again(flaky):
    service, target = flaky(grpc.StatusCode.UNAVAILABLE, 2)
    with Client(target, "m") as client:
        assert client.status() == []
    assert service.calls == 3


@pytest.mark.parametrize("code", ["INTERNAL", "RESOURCE_EXHAUSTED", "NOT_FOUND"])
def test_other_errors_are_not(flaky, code):
    service, target = flaky(grpc.StatusCode[code], 1)
    with Client(target, "m") as client, pytest.raises(RequestError, match="not now"):
        client.status()
    assert service.calls == 1


def test_a_server_that_stays_away_is_one_clear_error():
    with (
        Client("127.0.0.1:1", "m", timeout_s=5) as client,
        pytest.raises(UnavailableError, match=r"no model server answers at 127\.0\.0\.1:1"),
    ):
        client.status()


def test_the_packaged_descriptors_are_those_of_the_stubs():
    assert wire.from_stubs() == wire.DESCRIPTORS.read_bytes()


def test_the_client_needs_no_tensorflow():
    code = (
        "import sys; import serving.client, serving.sheet, serving.check; "
        "from serving import wire; wire.message('PredictRequest')(); "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'tfx', 'keras')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
