"""Values in REST bodies: floats in few digits that read back as what they were."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving import rest_json
from serving.rest_values import decimals


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.2, "0.2"),
        (1 / 3, "0.333333343"),
        (9e6, "9000000.0"),
        (3e-5, "3e-05"),
        (555557.5, "555557.5"),
        (16777216, "16777216.0"),
        (-1e-40, "-9.99995e-41"),
        (1e-20, "1e-20"),
        (1e23, "1e+23"),
        (3.4e38, "3.4e+38"),
        (np.finfo(np.float32).max, "3.40282347e+38"),
        (-0.0, "-0.0"),
        (np.nan, "NaN"),
        (-np.inf, "-Infinity"),
    ],
)
def test_a_float32_has_six_or_nine_digits(value, shown):
    assert json.dumps(decimals(np.float32([[value]])).tolist()) == f"[[{shown}]]"


def test_every_float32_reads_back_as_itself():
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    shown = decimals(values)
    assert np.array_equal(shown.astype(np.float32), values)
    digits = [json.dumps(value).lstrip("-").partition("e")[0] for value in shown.tolist()]
    assert max(len(text.replace(".", "").strip("0")) for text in digits) <= 9


@pytest.mark.parametrize(
    ("dtype", "shown"),
    [
        (tf.float32, "0.1"),
        (tf.float64, "0.1"),
        (tf.float16, "0.0999755859"),
        (tf.bfloat16, "0.100097656"),
    ],
)
@pytest.mark.parametrize("row", [False, True])
def test_answers_show_the_digits_of_their_dtype(dtype, shown, row):
    response = predict_pb2.PredictResponse()
    response.outputs["y"].CopyFrom(tf.make_tensor_proto([0.1], dtype))
    key = "predictions" if row else "outputs"
    assert rest_json.answer(response, row).decode() == f'{{"{key}": [{shown}]}}'


def test_a_scalar_and_no_values():
    assert decimals(np.float32(0.2)).tolist() == 0.2
    assert decimals(np.zeros((0, 3), np.float32)).shape == (0, 3)
