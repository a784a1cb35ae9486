"""Abandoning a request: its deadline passed, its client hung up, the server is stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tensorflow.python.eager.cancellation import CancellationManager

from serving.status import Code, StatusError


class Cancellation:
    """Cancelled at most once, from any thread; then runs under way end and listeners are told."""

    def __init__(self) -> None:
        self.manager = CancellationManager()
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self.manager.is_cancelled

    def cancel(self) -> None:
        """Abandon whatever this belongs to."""
        with self._lock:
            self.manager.start_cancel()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` when cancelled: at once if that has happened."""
        with self._lock:
            if not self.cancelled:
                self._listeners.append(listener)
                return
        listener()


def cancelled() -> StatusError:
    """Build the fault of a request that nobody waits for any more."""
    return StatusError(Code.CANCELLED, "Request was cancelled")
