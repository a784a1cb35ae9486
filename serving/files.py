"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from serving.errors import ServingError


def write_whole(file: Path, data: str | bytes) -> None:
    """Write a file in one rename; what was there before stays if that fails.

    Raises:
      ServingError: It cannot be written; nothing is left of the attempt.
    """
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.write_bytes(data.encode() if isinstance(data, str) else data)
        part.replace(file)
    except OSError as error:
        raise ServingError(f"cannot write {file}: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
