"""Reads tensors from a file of `torch.save` into NumPy, without PyTorch and without running code.

Both forms of the file are read: the zip archive (PyTorch 1.6 and later) and the older one, a row of
pickles with the raw storages behind. The unpickler knows tensors and ordered dictionaries and
refuses every other name, so that a file cannot make it import or call anything.
"""

from __future__ import annotations

import collections
import dataclasses
import io
import pickle
import zipfile
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
"""First pickle of the older form."""

DTYPES = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A view of a storage that may not have been read yet; lengths count elements."""

    dtype: np.dtype
    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: dict[str, bytes]) -> np.ndarray:
        flat = np.frombuffer(storages[self.storage], self.dtype)
        last = sum((side - 1) * step for side, step in zip(self.shape, self.strides, strict=True))
        if 0 in self.shape:
            return np.zeros(self.shape, self.dtype)
        if self.offset < 0 or min(self.strides, default=0) < 0 or self.offset + last >= len(flat):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [step * self.dtype.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).copy()


def read(content: bytes) -> dict[str, np.ndarray]:
    """Read a state dict.

    Args:
      content: The whole file.

    Returns:
      Tensor by name, in the order of the file; what is no tensor is left out.

    Raises:
      ValueError: Not such a file, a damaged one, or one that holds other objects.
    """
    try:
        zipped = zipfile.is_zipfile(io.BytesIO(content))
        tensors, storages = (_read_zip if zipped else _read_row)(content)
        if not isinstance(tensors, dict):
            raise ValueError("it holds no dictionary of tensors")
        return {
            name: tensor.read(storages)
            for name, tensor in tensors.items()
            if isinstance(tensor, _Tensor)
        }
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not a file of PyTorch tensors: {error}") from error
    except (AttributeError, OverflowError, zipfile.BadZipFile) as error:
        raise ValueError(f"a damaged file of PyTorch tensors: {error}") from error


def _read_zip(content: bytes) -> tuple[Any, dict[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(name for name in [*archive.namelist(), ""] if name.endswith("data.pkl"))
        folder = entry.removesuffix("data.pkl") + "data/"
        tensors = _Unpickler(io.BytesIO(archive.read(entry))).load()
        names = [name for name in archive.namelist() if name.startswith(folder)]
        return tensors, {name.removeprefix(folder): archive.read(name) for name in names}


def _read_row(content: bytes) -> tuple[Any, dict[str, bytes]]:
    """Read: magic number, protocol, machine, tensors, keys; then length and bytes by key."""
    file = io.BytesIO(content)
    if _Unpickler(file).load() != MAGIC:
        raise ValueError("not a file of PyTorch tensors")
    for _ in range(2):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    tensors = unpickler.load()
    storages = {}
    for key in _Unpickler(file).load():
        count = int.from_bytes(file.read(8), "little")
        size = count * unpickler.dtypes[key].itemsize
        storages[key] = file.read(size)
    return tensors, storages


class _Unpickler(pickle.Unpickler):
    """Builds `_Tensor`s; every name outside its table is refused."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.dtypes: dict[str, np.dtype] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *rest: tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"it holds a {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype]:
        _, dtype, key, *_ = pid
        self.dtypes[key] = dtype
        return key, dtype


def _rebuild(
    storage: tuple[str, np.dtype], offset: int, shape: Any, strides: Any, *_: Any
) -> _Tensor:
    key, dtype = storage
    return _Tensor(dtype, key, offset, tuple(shape), tuple(strides))
