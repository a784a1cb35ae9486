"""REST bodies: JSON to tensors by the signature's dtypes, and tensors to JSON."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving import status
from serving.rest_values import decimals, unbase64
from serving.tensors import dtype_name

Definition = meta_graph_pb2.SignatureDef

_DEPTH = 64
"""As many dimensions as NumPy's arrays can have."""
_LARGEST_WHOLE = {tf.float32: 2**24 - 1, tf.float64: 2**53 - 1}
_KINDS = {type(None): "Null", int: "Number", float: "Number", str: "String", dict: "Object"}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a request.

    Raises:
      StatusError: INVALID_ARGUMENT if it is none.
    """
    try:
        # Decoded here: json.loads lets halves of surrogate pairs pass, which no UTF-8 has.
        text = body.decode(json.detect_encoding(body))
        value = json.loads(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise status.invalid("JSON Parse error: The surrogate pair in string is invalid") from None
    except (ValueError, RecursionError) as error:
        raise status.invalid(f"JSON Parse error: {error}") from None
    if not isinstance(value, dict):
        raise status.invalid("JSON Value: expected an object")
    return value


def fill_inputs(
    request: predict_pb2.PredictRequest, body: Mapping[str, Any], definition: Any
) -> bool:
    """Write "instances" (row) or "inputs" (column) into a request.

    Returns:
      Whether the body was in row format, and the answer is to be.

    Raises:
      StatusError: INVALID_ARGUMENT for both or none of them, or values that do not fit.
    """
    if ("instances" in body) == ("inputs" in body):
        raise status.invalid("Missing 'inputs' or 'instances' key, or both were given")
    row = "instances" in body
    given = body["instances"] if row else body["inputs"]
    columns = _columns(given, definition) if row else _wanted(given, definition)
    for alias, value in columns.items():
        if alias not in definition.inputs:
            raise status.invalid(
                f"Unknown input '{alias}'; the signature has {sorted(definition.inputs)}"
            )
        dtype = tf.dtypes.as_dtype(definition.inputs[alias].dtype)
        array = _array(value, dtype, alias)
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(array, dtype))
    return row


def answer(response: predict_pb2.PredictResponse, row: bool) -> bytes:
    """Return the body of a successful answer.

    Raises:
      StatusError: INVALID_ARGUMENT if the row format or JSON does not fit the outputs.
    """
    arrays = {alias: tf.make_ndarray(proto) for alias, proto in sorted(response.outputs.items())}
    columns = {alias: _plain(alias, array) for alias, array in arrays.items()}
    if not row:
        value = next(iter(columns.values())) if len(columns) == 1 else columns
        return json.dumps({"outputs": value}).encode()
    sizes = {array.shape[0] if array.ndim else -1 for array in arrays.values()}
    if len(sizes) != 1 or -1 in sizes:
        raise status.invalid(
            "Output tensors must have the same first dimension for the row format; "
            "use 'inputs' instead of 'instances'"
        )
    if len(columns) == 1:
        rows = next(iter(columns.values()))
    else:
        rows = [
            dict(zip(columns, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        ]
    return json.dumps({"predictions": rows}).encode()


def _wanted(inputs: Any, definition: Any) -> dict[str, Any]:
    """Return the signature's inputs of the column format, which may have more."""
    if not _by_alias(inputs, definition):
        return {_only_input(definition): inputs}
    for alias in sorted(set(definition.inputs) - set(definition.defaults) - set(inputs)):
        raise status.invalid(f"Missing named input: {alias} in 'inputs' object.")
    return {alias: value for alias, value in inputs.items() if alias in definition.inputs}


def _columns(instances: Any, definition: Any) -> dict[str, list]:
    if not isinstance(instances, list) or not instances:
        raise status.invalid("Request has no 'instances': expected a list that is not empty")
    if not _by_alias(instances[0], definition):
        return {_only_input(definition): instances}
    columns: dict[str, list] = {alias: [] for alias in instances[0]}
    for position, instance in enumerate(instances):
        if not isinstance(instance, dict) or set(instance) != set(columns):
            raise status.invalid(
                f"Instance {position} does not have the inputs of the first: {sorted(columns)}"
            )
        for alias, value in instance.items():
            columns[alias].append(value)
    return columns


def _by_alias(value: Any, definition: Any) -> bool:
    return isinstance(value, dict) and not (_is_b64(value) and "b64" not in definition.inputs)


def _only_input(definition: Any) -> str:
    if len(definition.inputs) != 1:
        raise status.invalid(
            f"Values need the names of their inputs: the signature has {sorted(definition.inputs)}"
        )
    return next(iter(definition.inputs))


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str)


class _Input(NamedTuple):
    alias: str
    dtype: tf.DType
    types: tuple[type, ...]
    """What it takes, by the exact types that JSON is read into: to those True is no integer."""


def _array(value: Any, dtype: tf.DType, alias: str) -> np.ndarray:
    flat: list = []
    if not dtype.is_numpy_compatible:
        raise status.invalid(f"Input '{alias}': JSON has no values of type {dtype.name}")
    shape = _flatten(value, _Input(alias, dtype, _types(dtype)), flat)
    if dtype in _LARGEST_WHOLE:
        _check_whole(flat, dtype, alias)
    try:
        with np.errstate(over="raise"):  # 1e300 is no float32
            return np.array(flat, dtype.as_numpy_dtype).reshape(shape)
    except FloatingPointError:
        raise status.invalid(f"Input '{alias}': a number is too large for {dtype.name}") from None
    except (OverflowError, TypeError, ValueError) as error:
        raise status.invalid(f"Input '{alias}': {error}") from None


def _check_whole(flat: list, dtype: tf.DType, alias: str) -> None:
    """Refuse integers beyond those that are all floats; past 64 bits they are read as floats."""
    largest = _LARGEST_WHOLE[dtype]
    for value in flat:
        if type(value) is int and largest < abs(value) < 2**64:
            raise status.invalid(
                f"Input '{alias}': cannot convert {value} to {dtype.name} without loss of precision"
            )


def _types(dtype: tf.DType) -> tuple[type, ...]:
    if dtype.is_floating:
        return int, float
    return {tf.string: (str,), tf.bool: (bool,)}.get(dtype, (int,))


def _flatten(value: Any, into: _Input, flat: list, depth: int = 0) -> list[int]:
    if not isinstance(value, list):
        flat.append(_scalar(value, into))
        return []
    if depth == _DEPTH:
        raise status.invalid(f"Input '{into.alias}': lists are nested more than {_DEPTH} deep")
    shapes = [_flatten(item, into, flat, depth + 1) for item in value]
    if any(shape != shapes[0] for shape in shapes):
        raise status.invalid(f"Input '{into.alias}': lists at one level have different lengths")
    return [len(value), *(shapes[0] if shapes else [])]


def _scalar(value: Any, into: _Input) -> Any:
    if type(value) in into.types:
        return value.encode() if type(value) is str else value
    if into.dtype == tf.string and _is_b64(value):
        try:
            return unbase64(value["b64"])
        except ValueError as error:
            raise status.invalid(f"Input '{into.alias}': no base64: {error}") from None
    # An object may be nested too deeply to be shown.
    shown = "{...}" if isinstance(value, dict) else json.dumps(value)[:60]
    kind = str(value) if isinstance(value, bool) else _KINDS[type(value)]
    raise status.invalid(
        f"JSON Value: {shown} Type: {kind} is not of expected type: "
        f"{dtype_name(into.dtype.as_datatype_enum)} ('{into.alias}')"
    )


def _plain(alias: str, array: np.ndarray) -> Any:
    if array.dtype == np.object_:
        encode = np.frompyfunc(lambda data: _text(data, alias.endswith("_bytes")), 1, 1)
        return np.asarray(encode(array), np.object_).tolist()
    if array.dtype.kind == "c":
        raise status.invalid(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if tf.dtypes.as_dtype(array.dtype).is_floating and array.dtype.itemsize <= 4:
        return decimals(array).tolist()
    return array.tolist()


def _text(data: bytes, binary: bool) -> Any:
    """Return text as it is; names that end in _bytes, and what is no UTF-8, as base64."""
    if not binary:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return {"b64": base64.b64encode(data).decode()}
