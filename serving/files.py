"""Files that appear whole or not at all, and folders that one process works on at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from serving.errors import ServingError


def write_whole(file: Path, data: str | bytes, durable: bool = False) -> None:
    """Write a file in one rename; what was there before stays if that fails.

    Args:
      file: The file.
      data: What it holds; text as UTF-8.
      durable: Wait until it is on the disk, so that a loss of power leaves the old or the new one.

    Raises:
      ServingError: It cannot be written; nothing is left of the attempt.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with part.open("wb") as stream:
            stream.write(data.encode() if isinstance(data, str) else data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise ServingError(f"cannot write {file}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path, busy: str) -> Iterator[None]:
    """Keep other processes out of a folder that exists, as long as they ask here too.

    Raises:
      ServingError: One is in it, in the words of `busy`; or the folder cannot be opened.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)  # the folder itself: no lock file is left behind
    except OSError as error:
        raise ServingError(f"cannot open '{folder}': {error.strerror or error}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServingError(busy) from None
        yield
    finally:
        os.close(handle)
