"""REST :classify and :regress on signatures that fit, and what is refused."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request

import pytest
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import classification_pb2

from serving.rest_examples import _example, _pairs


def ask(server, what: str, body: object) -> tuple[int, dict]:
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/kit:{what}"
    request = urllib.request.Request(url, json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_examples_are_classified_and_regressed(server):
    rows = [{"a": 1}, {"a": [1.5, 2.0]}]
    size = [len(_example(row).SerializeToString()) for row in rows]
    body = {"signature_name": "lengths", "examples": rows}
    classes = [[["bytes", float(n)]] for n in size]
    named = body | {"signature_name": "sizes"}
    assert ask(server, "classify", named) == (200, {"results": classes})
    assert ask(server, "regress", body) == (200, {"results": [n + 1.0 for n in size]})
    shared = example_pb2.Example(features={"feature": {"b": {"bytes_list": {"value": [b"x"]}}}})
    code, answer = ask(server, "regress", body | {"context": {"b": "x"}})
    assert code == 200
    assert answer["results"] == [n + 1.0 + shared.ByteSize() for n in size]


def test_scores_have_the_digits_of_a_float32():
    result = classification_pb2.ClassificationResult()
    result.classifications.add().classes.add(label="a", score=0.2)
    assert _pairs(result.classifications[0].classes) == [["a", 0.2]]


def test_values_become_the_feature_that_fits():
    row = {"i": 3, "mix": [1, True, False], "f": [1.0, 2.5, math.nan], "t": ["a", {"b64": "/w"}]}
    features = _example(row | {"large": 2**64, "none": []}).features.feature
    assert list(features["i"].int64_list.value) == [3]
    assert list(features["mix"].int64_list.value) == [1, 1, 0]
    assert str(list(features["f"].float_list.value)) == "[1.0, 2.5, nan]"
    assert list(features["t"].bytes_list.value) == [b"a", b"\xff"]
    assert list(features["large"].float_list.value) == [2.0**64]
    assert features["none"] == example_pb2.Example().features.feature["none"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "When method is classify or regress, key 'examples' must be a list of values"),
        ({"examples": [1]}, "Example must be a JSON object"),
        ({"examples": [{"a": None}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": {"b64": "!"}}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": 2**63}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": [10, 10.0]}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": ["x", 1]}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": 1e300}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": 2**200}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": [[1]]}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": {"b64": "ä"}}]}, "Example has a feature that cannot be read: a"),
        ({"examples": [{"a": [0.5, 10**400]}]}, "Example has a feature that cannot be read: a"),
        (
            {"examples": [{"\ud800": 1}]},
            "JSON Parse error: The surrogate pair in string is invalid",
        ),
        (
            {"examples": [{"a": "\ud800"}]},
            "JSON Parse error: The surrogate pair in string is invalid",
        ),
        ({"examples": [{"a": 1}], "signature_name": "\ud800"}, "JSON Parse error: The surrogate"),
        ({"examples": [{"a": 1}]}, "No classification inputs found in SignatureDef"),
        ({"examples": [{"a": 1}], "signature_name": "no"}, "No signature was found with the name"),
    ],
)
def test_refusals(server, body, words):
    code, answer = ask(server, "classify", body)
    assert (code, answer["error"][: len(words)]) == (400, words)
