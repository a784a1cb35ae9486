"""REST: row and column format, errors, status and metadata."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request

import numpy as np
import pytest

from serving.client import Client


@pytest.fixture(scope="module")
def ask(server):
    def send(path: str, body: object = None) -> tuple[int, dict]:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{server.rest_port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return send


def test_row_and_column_format(ask):
    columns = {"outputs": {"twice": [2.0, 4.0], "y": [2.5, 3.0]}}
    assert ask("/v1/models/kit:predict", {"inputs": [1, 2.0]}) == (200, columns)
    named = {"inputs": {"x": [1, 2.0], "not asked for": None}}
    assert ask("/v1/models/kit:predict", named) == (200, columns)
    rows = {"predictions": [{"twice": 2.0, "y": 2.5}, {"twice": 4.0, "y": 3.0}]}
    assert ask("/V1/MODELS/kit/versions/1:PREDICT", {"instances": [1, 2]}) == (200, rows)
    body = {"signature_name": "two", "instances": [{"a": 1.5, "b": 2}]}
    assert ask("/v1/models/kit/labels/stable:predict", body) == (200, {"predictions": [3.5]})


def test_a_list_of_all_models_is_not_to_be_had(ask):
    assert ask("/v1/models") == (400, {"error": "Missing model name in request."})
    assert ask("/v1/models", {}) == (400, {"error": "Malformed request: POST /v1/models"})


def test_images_equal_those_over_grpc(server, ask):
    rows = [{"seed": seed, "label": 2} for seed in range(3)]
    code, answer = ask("/v1/models/digits:predict", {"instances": rows})
    with Client(server.target, "digits") as client:
        wanted = client.generate(range(3), [2] * 3).images
    assert code == 200
    assert np.array_equal(np.array(answer["predictions"], np.uint8), wanted)


def test_binary_values_go_in_and_out_as_base64(ask):
    raw = base64.b64encode(b"\xff\x00").decode()
    body = {"signature_name": "echo", "instances": [{"b64": raw}, "text"]}
    text = base64.b64encode(b"text").decode()
    assert ask("/v1/models/kit:predict", body) == (
        200,
        {"predictions": [{"b64": raw}, {"b64": text}]},
    )


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        ("no:predict", {"inputs": 1}, 404, "Servable not found for request: Latest(no)"),
        ("kit/versions/9:predict", {"inputs": 1}, 404, "Servable not found for request: Specific"),
        ("kit/labels/x:predict", {"inputs": 1}, 400, "Unrecognized servable version label: x"),
        ("kit:predict", {"signature_name": "s", "inputs": 1}, 400, 'Serving signature name: "s"'),
        ("kit:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
        ("kit:predict", {"instances": []}, 400, "Request has no 'instances'"),
        (
            "kit:predict",
            {"inputs": "a"},
            400,
            'JSON Value: "a" Type: String is not of expected type: float (',
        ),
        (
            "kit:predict",
            {"inputs": True},
            400,
            "JSON Value: true Type: True is not of expected type: float (",
        ),
        ("kit:predict", {"inputs": [[1], [1, 2]]}, 400, "Input 'x': lists at one level"),
        ("kit:predict", {"inputs": {"z": 1}}, 400, "Missing named input: x in 'inputs' object."),
        ("kit:predict", {"instances": [{"x": 1, "z": 1}]}, 400, "Unknown input 'z'"),
        ("kit:predict", {"signature_name": "two", "inputs": [1]}, 400, "Values need the names"),
        ("kit:predict", b"{", 400, "JSON Parse error"),
        ("kit:predict", b"[" * 100_000, 400, "JSON Parse error"),
        ("kit:classify", {}, 400, "When method is classify or regress, key"),
        ("kit:nothing", {}, 400, "Malformed request: POST /v1/models/kit:nothing"),
        ("kit:predict", None, 400, "Malformed request: GET /v1/models/kit:predict"),
        ("kit/", None, 400, "Malformed request: GET /v1/models/kit/"),
        ("kit:predict/", {"inputs": [1]}, 400, "Malformed request: POST /v1/models/kit:predict/"),
        (
            "kit/versions/" + "9" * 19,
            None,
            400,
            "Failed to convert version: 9999999999999999999 to",
        ),
        ("kit/versions/" + "9" * 5000, None, 400, "Failed to convert version: 9999"),
        ("kit:predict", {"inputs": [[["\ud800"]]]}, 400, "JSON Parse error: The surrogate pair"),
        (
            "kit:predict",
            b'{"inputs": ' + b"[" * 600 + b"]" * 600 + b"}",
            400,
            "Input 'x': lists are",
        ),
        (
            "kit:predict",
            {"signature_name": "casts", "inputs": [1]},
            400,
            "Failed to write JSON value",
        ),
        ("no", None, 404, "Could not find any versions of model no"),
        ("no/metadata", None, 404, "Servable not found"),
        (
            "kit:predict",
            {"signature_name": "divide", "inputs": {"a": [1], "b": [0]}},
            400,
            "Integer division by zero",
        ),
    ],
)
def test_errors(ask, path, body, code, words):
    answered, error = ask(f"/v1/models/{path}", body)
    assert (answered, error["error"][: len(words)]) == (code, words)


@pytest.mark.parametrize("name", [None, 0, 5, False, [], {}])
def test_only_a_string_is_a_signatures_name(ask, name):
    words = {"error": "'signature_name' key must be a string value."}
    assert ask("/v1/models/kit:predict", {"signature_name": name, "inputs": [1]}) == (400, words)
    assert ask("/v1/models/kit:predict", {"signature_name": "", "inputs": [1]})[0] == 200


def test_status_and_metadata(ask):
    ok = {"error_code": "OK", "error_message": ""}
    assert ask("/v1/models/digits") == (
        200,
        {"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": ok}]},
    )
    code, answer = ask("/v1/models/digits/metadata")
    assert code == 200
    assert answer["model_spec"] == {"name": "digits", "version": "3", "signature_name": ""}
    signature = answer["metadata"]["signature_def"]["signature_def"]["generate"]
    assert signature["outputs"]["image"]["dtype"] == "DT_UINT8"
