"""REST bodies: what JSON may hold for an input of each dtype, and what is 400, never 500."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving import rest_json
from serving.status import Code, StatusError


def nested(depth: int) -> str:
    return "[" * depth + "1" + "]" * depth


def tensor(dtype: tf.DType, inputs: str | bytes) -> np.ndarray:
    definition = meta_graph_pb2.SignatureDef()
    definition.inputs["x"].dtype = dtype.as_datatype_enum
    request = predict_pb2.PredictRequest()
    text = inputs if isinstance(inputs, bytes) else inputs.encode()
    rest_json.fill_inputs(request, rest_json.parse(b'{"inputs": ' + text + b"}"), definition)
    return tf.make_ndarray(request.inputs["x"])


@pytest.mark.parametrize(
    ("dtype", "values", "read"),
    [
        (tf.bfloat16, "[1.5, 2]", [1.5, 2.0]),
        (tf.float16, "[1.5, 1e400]", [1.5, np.inf]),
        (tf.float32, "[[0.5], [Infinity]]", [[0.5], [np.inf]]),
        (tf.float32, "[-16777215, 16777217.0]", [-16777215.0, 16777216.0]),
        (tf.float32, "100000000000000000000", np.float32(1e20)),
        (tf.float64, "[9007199254740991]", [2**53 - 1]),
        (tf.int64, "[9223372036854775807]", [2**63 - 1]),
        (tf.uint64, "18446744073709551615", 2**64 - 1),
        (tf.bool, "[true, false]", [True, False]),
        (
            tf.string,
            '[{"b64": "YWI"}, {"b64": "YW\\nI =\\n"}, {"b64": "YQ=="}, {"b64": ""}]',
            [b"ab", b"ab", b"a", b""],
        ),
        (
            tf.string,
            '["\\ud83d\\ude00", "\\\\ud800", {"b64": "/w=="}]',
            ["😀".encode(), b"\\ud800", b"\xff"],
        ),
    ],
)
def test_values_become_the_signatures_dtype(dtype, values, read):
    array = tensor(dtype, values)
    assert array.dtype == dtype.as_numpy_dtype
    assert array.tolist() == read


@pytest.mark.parametrize(
    ("dtype", "inputs", "words"),
    [
        (tf.string, r'["\ud800"]', "JSON Parse error: The surrogate pair"),
        (tf.string, b'["\xed\xa0\x80"]', "JSON Parse error: 'utf-8' codec"),
        (tf.string, r'{"\udfff": 1}', "JSON Parse error: The surrogate pair"),
        (tf.string, '[{"b64": "ä"}]', "Input 'x': no base64"),
        (tf.string, '[{"b64": "YQ="}]', "Input 'x': no base64"),
        (tf.string, '[{"b64": "-_"}]', "Input 'x': no base64"),
        (
            tf.string,
            '[{"b64": 5}]',
            "JSON Value: {...} Type: Object is not of expected type: string",
        ),
        (tf.float64, "[null]", "JSON Value: null Type: Null is not of expected type: double ("),
        (tf.int32, "[1.0]", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (tf.int32, "[1e400]", "JSON Value: Infinity Type: Number is not of expected type: int32"),
        (tf.variant, "[1]", "Input 'x': JSON has no values of type variant"),
        (tf.bfloat16, "[true]", "JSON Value: true Type: True is not of expected type: bfloat16"),
        (tf.bfloat16, f"[1{'0' * 400}]", "Input 'x': "),
        (tf.float64, f"[1{'0' * 400}]", "Input 'x': int too large"),
        (tf.float32, "[0, 16777216]", "Input 'x': cannot convert 16777216 to float32 without loss"),
        (tf.float32, "[-16777217]", "Input 'x': cannot convert -16777217 to float32 without loss"),
        (tf.float64, "[9007199254740993]", "Input 'x': cannot convert 9007199254740993 to float"),
        (tf.float32, "[0.5, 1e300]", "Input 'x': a number is too large for float32"),
        (tf.uint8, "[256]", "Input 'x': Python integer 256 out of bounds"),
        (tf.float32, f"[1{'0' * 5000}]", "JSON Parse error: Exceeds the limit"),
        (tf.float32, nested(65), "Input 'x': lists are nested"),
        (tf.float32, nested(600), "Input 'x': lists are nested"),
        (
            tf.float32,
            '[{"a":' + '{"a":' * 800 + "1" + "}" * 801 + "]",
            "JSON Value: {...} Type: Object is not of expected type: float (",
        ),
    ],
)
def test_what_does_not_fit_is_an_invalid_argument(dtype, inputs, words):
    with pytest.raises(StatusError) as refused:
        tensor(dtype, inputs)
    assert refused.value.code == Code.INVALID_ARGUMENT
    assert refused.value.message[: len(words)] == words


def test_as_many_dimensions_as_arrays_have_are_taken():
    assert tensor(tf.int32, nested(64)).shape == (1,) * 64


def test_what_json_has_no_number_for_is_refused():
    response = predict_pb2.PredictResponse()
    response.outputs["o"].CopyFrom(tf.make_tensor_proto([1.5], tf.bfloat16))
    assert json.loads(rest_json.answer(response, True)) == {"predictions": [1.5]}
    response.outputs["o"].CopyFrom(tf.make_tensor_proto([1j], tf.complex64))
    with pytest.raises(StatusError, match="JSON value for tensor type: complex64") as refused:
        rest_json.answer(response, False)
    assert refused.value.code == Code.INVALID_ARGUMENT
