"""Cancelling a run without touching its neighbours: the active manager is the thread's own.

TensorFlow keeps the manager that a run registers with in one global of the process
(`tensorflow/python/eager/cancellation.py`), so of two runs at once one takes the other's, and ends
with "Function was cancelled before it was started" when that request is over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tensorflow.python.eager import cancellation

_active = threading.local()


def _of_this_thread() -> cancellation.CancellationManager | None:
    return getattr(_active, "manager", None)


# The one place that asks, `context.call_function`, does so through the module.
cancellation.context = _of_this_thread


@contextmanager
def cancellable(manager: cancellation.CancellationManager | None) -> Iterator[None]:
    """Let `manager` cancel what this thread runs inside the block; None: nothing can."""
    _active.manager = manager
    try:
        yield
    finally:
        _active.manager = None
