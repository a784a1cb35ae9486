"""Keep the terminal for people: our lines go there, everything else into the run's log file."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from trainer import progress


class Console:
    """The terminal as it was before the log file took over file descriptors 1 and 2."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rewrites = stream.isatty()

    def line(self, text: str = "") -> None:
        """Print one line, replacing a pending one."""
        self._stream.write(f"\r\x1b[K{text}\n" if self._rewrites else f"{text}\n")
        self._stream.flush()

    def pending(self, text: str) -> None:
        """Show what is going on until the next line; nothing when not on a terminal."""
        if self._rewrites:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad the cells of a table to columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([text.ljust(w) for text, w in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(row).rstrip() for row in cells]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what libraries, C++ ones included, write to standard error; errors raised still come."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


@contextlib.contextmanager
def redirected(log: Path) -> Iterator[Console]:
    """Send standard output and error, those of C++ libraries included, to `log`.

    Yields:
      The console; progress lines go there as well.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    terminal = os.fdopen(os.dup(saved[0]), "w")
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        progress.set_stream(terminal)
        yield Console(terminal)
    finally:
        progress.set_stream(None)
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(target)
        terminal.close()
