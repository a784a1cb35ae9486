"""One progress line for long work: done / total, rate, time left."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, TextIO

from tqdm import tqdm

PLAIN_INTERVAL_S = 10.0

_stream: TextIO | None = None
_stop: BaseException | None = None


def set_stream(stream: TextIO | None) -> None:
    """Send progress lines to `stream` (None: the standard error of the moment)."""
    global _stream
    _stream = stream


def stop_with(error: BaseException | None) -> None:
    """Let the next count in the main thread raise `error`; None counts on."""
    global _stop
    _stop = error


def say(text: str) -> None:
    """Print one line where progress lines go."""
    print(text, file=_stream or sys.stderr, flush=True)


class Progress:
    """A line that redraws itself on a terminal and is repeated every ten seconds elsewhere.

    Use as a context manager; `update(n, **figures)` counts n items on and shows the figures behind
    the line, for example `update(10, loss=0.7)`.
    """

    def __init__(self, label: str, total: int, unit: str = "it", done: int = 0) -> None:
        self._out = _stream or sys.stderr
        self._label, self._total, self._unit = label, total, unit
        self._first, self._done, self._figures = done, done, ""
        self._start = self._shown = time.monotonic()
        self._lock = threading.Lock()
        self._bar = (
            tqdm(total=total, initial=done, desc=label, unit=unit, file=self._out, leave=False)
            if self._out.isatty()
            else None
        )

    def update(self, n: int = 1, **figures: Any) -> None:
        """Count `n` items as done, from any thread; `figures` replace the ones shown so far.

        Raises:
          BaseException: What `stop_with` was given, in the main thread.
        """
        if _stop is not None and threading.current_thread() is threading.main_thread():
            raise _stop
        with self._lock:
            self._done += n
            if figures:
                self._figures = ", ".join(f"{k}={_short(v)}" for k, v in figures.items())
            if self._bar is not None:
                self._bar.set_postfix_str(self._figures, refresh=False)
                self._bar.update(n)
            elif time.monotonic() - self._shown >= PLAIN_INTERVAL_S:
                self._shown = time.monotonic()
                self._print()

    def _print(self) -> None:
        line = tqdm.format_meter(
            self._done,
            self._total,
            time.monotonic() - self._start,
            ncols=100,
            prefix=self._label,
            unit=self._unit,
            initial=self._first,
            postfix=self._figures,
            bar_format="{desc}: {n_fmt}/{total_fmt} [{rate_fmt}, left {remaining}{postfix}]",
        )
        print(line, file=self._out, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        self._print()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
