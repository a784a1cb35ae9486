"""What commands that load TensorFlow spend on Python itself, at their start and at their end."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path

STARTED = 19
"""Position of the start, in clock ticks since boot, behind the name in /proc/PID/stat (proc(5))."""


def began() -> float:
    """Return when this process began, by `time.monotonic`: Python's own start counts as well."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks = int(fields[STARTED]) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks)


@contextlib.contextmanager
def much_to_import() -> Iterator[None]:
    """Import TensorFlow and TFX in here: in two thirds of the time or less.

    The garbage collector would go through millions of new objects again and again, and once more
    when the process ends, and find next to nothing: what modules make is there for good. So it
    rests meanwhile, and never looks at these objects afterwards.
    """
    rested = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if rested:
            gc.enable()
