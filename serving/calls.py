"""The threads of gRPC calls: few that work, and more while calls hold those up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent import futures
from functools import partial
from typing import Any

LOOK_S = 0.1


class CallPool(futures.Executor):
    """Runs calls on `few` threads, and on up to `more` others what those leave waiting for 0.2 s.

    A call of Python's gRPC holds a thread from its headers on, also while its message is still to
    come: a few clients that send none would stop a small pool. A large one is slower, since as many
    threads wake as there are clients.
    """

    def __init__(self, few: int, more: int) -> None:
        self._few = futures.ThreadPoolExecutor(few, thread_name_prefix="grpc")
        self._more = futures.ThreadPoolExecutor(more, thread_name_prefix="grpc-more")
        self._spare = threading.Semaphore(more)
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._submitted = 0
        self._watched = False

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> futures.Future:
        """Run `fn(*args, **kwargs)` on the first thread that is free; from one thread only.

        gRPC submits from the one thread that reads its completion queue.
        """
        future: futures.Future = futures.Future()
        self._calls.put((future, partial(fn, *args, **kwargs)))
        self._submitted += 1
        self._few.submit(self._run_next)
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name="grpc-watch", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls and, with `wait`, return when those that came are answered."""
        for pool in (self._few, self._more):
            pool.shutdown(wait, cancel_futures=cancel_futures)

    def _run_next(self) -> None:
        try:
            future, work = self._calls.get_nowait()
        except queue.Empty:  # a thread of the other pool was sooner
            return
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

    def _give_back(self, _: futures.Future) -> None:
        self._spare.release()

    def _watch(self) -> None:
        """Look every 100 ms, until no call waits, and give those of the last look a thread."""
        while True:
            before = self._submitted
            time.sleep(LOOK_S)
            taken = self._submitted - self._calls.qsize()
            try:
                for _ in range(before - taken):
                    if self._spare.acquire(blocking=False):
                        self._more.submit(self._run_next).add_done_callback(self._give_back)
            except RuntimeError:
                return  # the pool is shut down, or the process ends
            if self._calls.qsize() == 0:
                self._watched = False
                if self._calls.qsize() == 0:  # a call in between saw a watch and started none
                    return
                self._watched = True
