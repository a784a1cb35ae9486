"""One run at a time in an output folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TextIO

from pipeline.paths import Paths
from trainer.errors import UserError


@contextlib.contextmanager
def held(paths: Paths) -> Iterator[None]:
    """Hold the output folder's lock; the kernel lets go of it even when the process is killed.

    Raises:
      UserError: Another run holds it; the message names its process.
    """
    with _open(paths) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise UserError(
                f"'{paths.output}' is in use by another run (process {file.read() or '?'}): "
                "wait for it, or give another --output-dir"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _open(paths: Paths) -> TextIO:
    try:
        paths.output.mkdir(parents=True, exist_ok=True)
        return (paths.output / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write to --output-dir '{paths.output}' ({error.strerror}): name another folder"
        ) from None
