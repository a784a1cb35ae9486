"""Signals as errors: raised where the program is and, if that went unheard, where it counts on."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from trainer import progress
from trainer.errors import Interrupted


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


def _raising(
    make: Callable[[int], BaseException],
) -> Callable[[int, FrameType | None], None]:
    def handler(number: int, frame: FrameType | None) -> None:
        error = make(number)
        progress.stop_with(error)
        raise error

    return handler
