"""Signals as errors: raised where the program is and, if that went unheard, where it counts on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from trainer import progress
from trainer.errors import Interrupted

UNHEARD_S = 1.0
"""A signal that the program still works after so long was dropped."""

_last: tuple[int, float] | None = None


def listen(terminated: str) -> None:
    """Raise on SIGTERM and Ctrl-C; call it once, in the main thread.

    C code may drop what is raised in the midst of it (NumPy dropped 3 of 94 signals while scenes
    were drawn), and the work would go on as if nobody had asked. So the next count of a progress
    line raises the same error again.

    Args:
      terminated: What `Interrupted` says of SIGTERM. Ctrl-C stays a KeyboardInterrupt, and stays
        ignored where it was, as it is for a shell's background jobs.
    """
    signal.signal(signal.SIGTERM, _raising(lambda number: Interrupted(number, terminated)))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raising(lambda _: KeyboardInterrupt()))


def remind() -> None:
    """Deliver a signal again that was dropped; for work whose main thread waits, not counts."""
    if _last is not None and time.monotonic() - _last[1] > UNHEARD_S:
        signal.pthread_kill(threading.main_thread().ident or 0, _last[0])


def _raising(
    make: Callable[[int], BaseException],
) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, frame: FrameType | None) -> None:
        global _last
        _last = number, time.monotonic()
        error = make(number)
        progress.stop_with(error)
        raise error

    return handler
