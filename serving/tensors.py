"""TensorProto in and out: refusals before allocation, answers in the typed fields."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from serving.status import StatusError, invalid

# A shape may ask for more values than were sent (the last is repeated); this bounds the gift.
MAX_EXPANDED_BYTES = 64 << 20
MAX_DIMS = 64  # TensorFlow counts to 254, NumPy no further
STRING_BYTES = 24  # sizeof(tstring)

Payload = Callable[[np.ndarray], bytes]


def _raw(array: np.ndarray) -> bytes:
    return array.tobytes()


def _bits(array: np.ndarray) -> bytes:
    return varints(array.view(np.uint16))


def varints(values: np.ndarray) -> bytes:
    """Return integers as protobuf's base-128 varints, end to end (protobuf's encoding guide).

    Args:
      values: int or uint, any width, any shape; negative ones take ten bytes each.
    """
    flat = values.ravel()
    if flat.dtype == np.uint8:
        used = np.ones((len(flat), 2), bool)
        used[:, 1] = flat > 0x7F
        return np.compress(used.ravel(), _PAIRS.take(flat, mode="clip").view(np.uint8)).tobytes()
    if flat.dtype.kind != "u":
        flat = flat.astype(np.int64).view(np.uint64)
    bits = int(flat.max(initial=0)).bit_length()
    groups = flat[:, np.newaxis] >> np.arange(0, max(bits, 1), 7, dtype=flat.dtype)
    more = groups > 0x7F
    encoded = (groups & 0x7F).astype(np.uint8) | (more.astype(np.uint8) << 7)
    used = np.ones_like(more)
    used[:, 1:] = more[:, :-1]
    return encoded[used].tobytes()


# Pixels are most of what is ever sent: the two bytes of each value, of which a small one needs one.
_PAIRS = np.array([n & 0x7F | (n > 0x7F) << 7 | n >> 7 << 8 for n in range(256)], "<u2")


# dtype -> (field of TensorProto, how an array becomes that field's bytes on the wire); types.proto.
_FIELDS: dict[int, tuple[str, Payload]] = {
    types_pb2.DT_FLOAT: ("float_val", _raw),
    types_pb2.DT_DOUBLE: ("double_val", _raw),
    types_pb2.DT_INT32: ("int_val", varints),
    types_pb2.DT_UINT8: ("int_val", varints),
    types_pb2.DT_INT16: ("int_val", varints),
    types_pb2.DT_INT8: ("int_val", varints),
    types_pb2.DT_UINT16: ("int_val", varints),
    types_pb2.DT_STRING: ("string_val", _raw),
    types_pb2.DT_COMPLEX64: ("scomplex_val", _raw),
    types_pb2.DT_INT64: ("int64_val", varints),
    types_pb2.DT_BOOL: ("bool_val", _raw),
    types_pb2.DT_BFLOAT16: ("half_val", _bits),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", _raw),
    types_pb2.DT_HALF: ("half_val", _bits),
    types_pb2.DT_UINT32: ("uint32_val", varints),
    types_pb2.DT_UINT64: ("uint64_val", varints),
}
_NUMBERS = {name: f.number for name, f in tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name.items()}
_PACKED = 2  # protobuf's wire type of length-delimited fields

_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def dtype_name(dtype: int) -> str:
    """Return the C++ name of a dtype number, as TensorFlow's messages spell it."""
    name = tf.dtypes.as_dtype(dtype).name
    return _CPP_NAMES.get(name, name)


def to_proto(
    tensor: tf.Tensor | np.ndarray,
    as_content: bool = False,
    into: tensor_pb2.TensorProto | None = None,
) -> tensor_pb2.TensorProto:
    """Encode a tensor.

    Args:
      tensor: Any dense tensor or array; strings stay bytes.
      into: An empty message to write to (a copy of a finished one costs as much as its making).
      as_content: Numbers go into `tensor_content` (smaller, faster) instead of the typed field that
        clients of TensorFlow Serving read directly.
    """
    array = np.asarray(tensor)
    dtype = tf.dtypes.as_dtype(tensor.dtype).as_datatype_enum
    proto = tensor_pb2.TensorProto() if into is None else into
    proto.dtype = dtype
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if dtype == types_pb2.DT_STRING:
        proto.string_val.extend(array.ravel().tolist())
        return proto
    field, payload = _FIELDS.get(dtype, ("", _raw))
    if not field or as_content:
        proto.tensor_content = array.tobytes()
    elif array.size:
        # The C++ parser copies a packed field at once; `extend` would box every value for it.
        data = payload(array)
        tag = np.array([_NUMBERS[field] << 3 | _PACKED, len(data)], np.uint64)
        proto.MergeFromString(varints(tag) + data)
    return proto


def from_proto(proto: tensor_pb2.TensorProto, alias: str) -> np.ndarray:
    """Decode a tensor as the C++ server does, by the same C++ code; strings become objects.

    Raises:
      StatusError: INVALID_ARGUMENT `tensor parsing error: ALIAS` for whatever that code refuses,
        and for a shape that asks for far more memory than was sent.
    """
    fault = invalid(f"tensor parsing error: {alias}")
    if proto.dtype not in _FIELDS:
        raise fault
    _check_size(proto, fault)
    if (array := _whole(proto)) is not None:
        return array
    try:
        kind = tf.dtypes.as_dtype(proto.dtype)
        return np.asarray(tf.io.parse_tensor(proto.SerializeToString(), kind))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise fault from error


# What clients mostly send: these need no detour when the values fill the shape.
_COMMON: dict[int, type[np.generic] | type[object]] = {
    types_pb2.DT_INT64: np.int64,
    types_pb2.DT_INT32: np.int32,
    types_pb2.DT_FLOAT: np.float32,
    types_pb2.DT_STRING: np.object_,
}


def _whole(proto: tensor_pb2.TensorProto) -> np.ndarray | None:
    """Return the values of a tensor in which nothing is odd, None if the C++ code must judge."""
    kind = _COMMON.get(proto.dtype)
    if kind is None or proto.tensor_shape.unknown_rank:
        return None
    shape = [dim.size for dim in proto.tensor_shape.dim]
    count = math.prod(shape)
    if proto.tensor_content:
        data = proto.tensor_content
        fits = kind is not np.object_ and len(data) == count * np.dtype(kind).itemsize
        return np.frombuffer(data, kind).reshape(shape) if fits else None
    values = getattr(proto, _FIELDS[proto.dtype][0])
    return np.fromiter(values, kind, count).reshape(shape) if len(values) == count > 0 else None


def _check_size(proto: tensor_pb2.TensorProto, fault: StatusError) -> None:
    shape = proto.tensor_shape
    sizes = [dim.size for dim in shape.dim]  # the C++ parser obeys them also beside unknown_rank
    if len(sizes) > MAX_DIMS or min(sizes, default=0) < 0:
        raise fault
    is_text = proto.dtype == types_pb2.DT_STRING
    width = STRING_BYTES if is_text else tf.dtypes.as_dtype(proto.dtype).size
    wanted = math.prod(sizes) * width
    sent = len(proto.tensor_content) or len(getattr(proto, _FIELDS[proto.dtype][0])) * width
    if wanted > max(sent, MAX_EXPANDED_BYTES):
        raise fault
