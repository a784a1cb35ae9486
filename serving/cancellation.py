"""Abandoning a request: its deadline passed, its client hung up, the server is stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from serving.status import Code, StatusError


class Cancellation:
    """When nobody waits for a request any more; cancelled at most once, from any thread.

    Args:
      timeout_s: How long its client waits from now on; None: for ever.
    """

    def __init__(self, timeout_s: float | None = None) -> None:
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self._cancelled = False
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def left(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None without one.

        A run is given these: TensorFlow ends it then. What a client leaves behind by hanging up
        before ends with its deadline too, as in TensorFlow Serving.
        """
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def cancel(self) -> None:
        """Abandon the request wherever it waits."""
        with self._lock:
            self._cancelled = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when cancelled: at once if that has happened."""
        with self._lock:
            if not self._cancelled:
                self._listeners.append(listener)
                return
        listener()


def cancelled() -> StatusError:
    """Build the fault of a request that nobody waits for any more."""
    return StatusError(Code.CANCELLED, "Request was cancelled")


def timed_out() -> StatusError:
    """Build the fault of a request whose deadline passed while it waited."""
    return StatusError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")
