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
MAX_DIMS = 254
STRING_BYTES = 24  # sizeof(tstring)

Values = Callable[[np.ndarray], list]


def _plain(array: np.ndarray) -> list:
    return array.ravel().tolist()


def _bits(array: np.ndarray) -> list:
    return array.ravel().view(np.uint16).tolist()


def _pairs(array: np.ndarray) -> list:
    return array.ravel().view(array.real.dtype).tolist()


# dtype -> (field of TensorProto, how an array becomes its values); the layout of types.proto.
_FIELDS: dict[int, tuple[str, Values]] = {
    types_pb2.DT_FLOAT: ("float_val", _plain),
    types_pb2.DT_DOUBLE: ("double_val", _plain),
    types_pb2.DT_INT32: ("int_val", _plain),
    types_pb2.DT_UINT8: ("int_val", _plain),
    types_pb2.DT_INT16: ("int_val", _plain),
    types_pb2.DT_INT8: ("int_val", _plain),
    types_pb2.DT_UINT16: ("int_val", _plain),
    types_pb2.DT_STRING: ("string_val", _plain),
    types_pb2.DT_COMPLEX64: ("scomplex_val", _pairs),
    types_pb2.DT_INT64: ("int64_val", _plain),
    types_pb2.DT_BOOL: ("bool_val", _plain),
    types_pb2.DT_BFLOAT16: ("half_val", _bits),
    types_pb2.DT_COMPLEX128: ("dcomplex_val", _pairs),
    types_pb2.DT_HALF: ("half_val", _bits),
    types_pb2.DT_UINT32: ("uint32_val", _plain),
    types_pb2.DT_UINT64: ("uint64_val", _plain),
}

_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def dtype_name(dtype: int) -> str:
    """Return the C++ name of a dtype number, as TensorFlow's messages spell it."""
    name = tf.dtypes.as_dtype(dtype).name
    return _CPP_NAMES.get(name, name)


def to_proto(tensor: tf.Tensor, as_content: bool = False) -> tensor_pb2.TensorProto:
    """Encode a tensor.

    Args:
      tensor: Any dense tensor; strings stay bytes.
      as_content: Numbers go into `tensor_content` (smaller, faster) instead of the typed field that
        clients of TensorFlow Serving read directly.
    """
    array = tensor.numpy()
    dtype = tensor.dtype.as_datatype_enum
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in tensor.shape:
        proto.tensor_shape.dim.add(size=size)
    field, values = _FIELDS.get(dtype, ("", _plain))
    if not field or (as_content and dtype != types_pb2.DT_STRING):
        proto.tensor_content = np.asarray(array).tobytes()
    else:
        getattr(proto, field).extend(values(np.asarray(array)))
    return proto


def from_proto(proto: tensor_pb2.TensorProto, alias: str) -> tf.Tensor:
    """Decode a tensor exactly as the C++ server does: by the same C++ code.

    Raises:
      StatusError: INVALID_ARGUMENT `tensor parsing error: ALIAS` for whatever that code refuses,
        and for a shape that asks for far more memory than was sent.
    """
    fault = invalid(f"tensor parsing error: {alias}")
    if proto.dtype not in _FIELDS:
        raise fault
    _check_size(proto, fault)
    try:
        return tf.io.parse_tensor(proto.SerializeToString(), tf.dtypes.as_dtype(proto.dtype))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise fault from error


def _check_size(proto: tensor_pb2.TensorProto, fault: StatusError) -> None:
    shape = proto.tensor_shape
    if shape.unknown_rank:
        return
    sizes = [dim.size for dim in shape.dim]
    if len(sizes) > MAX_DIMS or min(sizes, default=0) < 0:
        raise fault
    is_text = proto.dtype == types_pb2.DT_STRING
    width = STRING_BYTES if is_text else tf.dtypes.as_dtype(proto.dtype).size
    wanted = math.prod(sizes) * width
    sent = len(proto.tensor_content) or len(getattr(proto, _FIELDS[proto.dtype][0])) * width
    if wanted > max(sent, MAX_EXPANDED_BYTES):
        raise fault
