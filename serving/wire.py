"""The API's messages without TensorFlow: clients start in a fraction of a second.

The published stubs import `tensorflow`, which takes seconds. `messages.binpb` holds the same
descriptors (a serialised FileDescriptorSet); `python -m serving.wire` writes it anew from the
stubs. The messages live in a descriptor pool of their own, so a process may hold both.
"""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTORS = Path(__file__).with_name("messages.binpb")
_API = "tensorflow.serving."

# Only what clients of generators and captioners send and receive; numbers of types.proto.
_DTYPES: dict[int, tuple[type[np.generic] | type[object], str]] = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    3: (np.int32, "int_val"),
    4: (np.uint8, "int_val"),
    7: (np.object_, "string_val"),
    9: (np.int64, "int64_val"),
    10: (np.bool_, "bool_val"),
}
_NUMBERS = {np.dtype(kind): number for number, (kind, _) in _DTYPES.items()}
_LOCK = threading.RLock()


def _pool() -> descriptor_pool.DescriptorPool:
    # A cache lets two threads that come first each make one, and messages of two pools never mix.
    with _LOCK:
        return _made_pool()


@cache
def _made_pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def message(name: str, package: str = _API) -> Any:
    """Return the message class `tensorflow.serving.NAME`, or that of another package."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(package + name))


def dtype_name(number: int) -> str:
    """Return a DataType's name in lower case: 4 is "uint8"."""
    kinds = _pool().FindEnumTypeByName("tensorflow.DataType").values_by_number
    return kinds[number].name.removeprefix("DT_").lower() if number in kinds else str(number)


def numpy_dtype(number: int) -> np.dtype:
    """Return the numpy dtype of a DataType's number; object for strings.

    Raises:
      ValueError: If it is none of the table's.
    """
    if number not in _DTYPES:
        raise ValueError(
            f"an answer of dtype {dtype_name(number)}, which this client does not read"
        )
    return np.dtype(_DTYPES[number][0])


def fill(proto: Any, array: np.ndarray) -> None:
    """Write an array into a TensorProto.

    Args:
      proto: The empty TensorProto.
      array: Of a dtype in the table above. Strings are objects, each bytes or text; or NumPy's own
        fixed-width kinds, which forget zero bytes at an item's end.

    Raises:
      ValueError: For another dtype, or objects that are no strings.
    """
    if array.dtype.kind in "SU":
        array = array.astype(np.object_)
    number = _NUMBERS.get(array.dtype)
    if number is None:
        known = ", ".join(map(dtype_name, _DTYPES))
        raise ValueError(f"dtype {array.dtype}, which this client does not send; it sends {known}")
    strings = _strings(array) if array.dtype == np.object_ else None
    proto.dtype = number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if strings is not None:
        proto.string_val.extend(strings)
    else:
        proto.tensor_content = np.ascontiguousarray(array).tobytes()


def _strings(array: np.ndarray) -> list[bytes]:
    items = [item.encode() if isinstance(item, str) else item for item in array.ravel().tolist()]
    for item in items:
        if not isinstance(item, bytes):
            raise ValueError(f"an item of type {type(item).__name__} where bytes or text belong")
    return items


def array(proto: Any) -> np.ndarray:
    """Return a TensorProto's values, from the typed field or from tensor_content.

    Raises:
      ValueError: If the dtype is none of the table's or the values do not fill the shape.
    """
    kind = numpy_dtype(proto.dtype)
    field = _DTYPES[proto.dtype][1]
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, kind).reshape(shape)
    values = getattr(proto, field)
    if kind == np.uint8:  # pixels: a list's bytes are made twice as fast as an array of its items
        return np.frombuffer(bytearray(values[:]), np.uint8).reshape(shape)
    return np.fromiter(values, kind, len(values)).reshape(shape)


def _collect(file: Any, into: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    if file.name in into:
        return
    for dependency in file.dependencies:
        _collect(dependency, into)
    into[file.name] = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(into[file.name])


def from_stubs() -> bytes:
    """Return the descriptors of the installed stubs, dependencies first."""
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_management_pb2,
        predict_pb2,
    )

    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    stubs = (predict_pb2, get_model_metadata_pb2, get_model_status_pb2, model_management_pb2)
    for stub in (*stubs, saved_model_pb2):
        _collect(stub.DESCRIPTOR, files)
    joined = descriptor_pb2.FileDescriptorSet(file=list(files.values()))
    return joined.SerializeToString(deterministic=True)


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(from_stubs())
