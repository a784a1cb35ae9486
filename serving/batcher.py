"""Server-side batching: requests that wait together run together, and none changes another.

There is no thread of its own: one of the waiting requests leads, runs the batch for all in it and
hands the lead on. With a timeout of 0 a batch is what arrived while the one before was running.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.cancellation import Cancellation, cancelled, timed_out
from serving.options import Batching
from serving.servable import Arrays, Signature
from serving.status import Code, StatusError, invalid

log = logging.getLogger("serving")
Key = tuple[object, ...]
Observe = Callable[[Sequence[tuple[int, float]], int], None]


@dataclass(eq=False)
class _Task:
    """One request; `wake` is set when it is answered, abandoned or told to lead."""

    key: Key
    signature: Signature
    inputs: Arrays
    rows: int
    cancel: Cancellation
    since: float = field(default_factory=time.monotonic)
    wake: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    outputs: Arrays | None = None
    error: StatusError | None = None


def allows(signature: Signature) -> bool:
    """Return whether joining requests cannot change an answer of this signature.

    Inputs and outputs must have rows along a free first dimension; an output with another free
    dimension could take its size from the longest row of the batch.
    """
    outputs = [signature.definition.outputs[alias].tensor_shape for alias in signature.outputs]
    shapes = [info.tensor_shape for info in signature.definition.inputs.values()] + outputs
    if any(shape.unknown_rank or not shape.dim or shape.dim[0].size != -1 for shape in shapes):
        return False
    return bool(outputs) and all(dim.size >= 0 for shape in outputs for dim in shape.dim[1:])


class Batcher:
    """Joins waiting requests of one signature and inner shape along the first dimension.

    Args:
      parameters: Sizes, waiting time and how many batches may run at once.
      observe: Told of every batch the rows and the wait (s) of each request, and its size as run.
    """

    def __init__(self, parameters: Batching, observe: Observe | None = None) -> None:
        self._parameters, self._observe = parameters, observe
        self._changed = threading.Condition()
        self._waiting: deque[_Task] = deque()
        self._rows = 0
        self._free = parameters.num_batch_threads or os.cpu_count() or 1

    def run(self, signature: Signature, inputs: Arrays, cancel: Cancellation) -> Arrays:
        """Answer one request, alone or with others; rows keep their order.

        Raises:
          StatusError: What the request alone would have met; INVALID_ARGUMENT if it is larger than
            a batch, UNAVAILABLE if too many wait, CANCELLED if `cancel` was.
        """
        rows = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
        if len(rows) != 1 or 0 in rows:
            return signature.run(inputs, cancel.left())
        (count,) = rows
        largest = self._parameters.largest
        if count > largest:
            if not self._parameters.enable_large_batch_splitting:
                words = f"Task size {count} is larger than maximum input batch size {largest}"
                raise invalid(words)
            # One after the other: a large request takes the place of one, not of many.
            parts = [
                self._queued(signature, _rows(inputs, start, largest), cancel)
                for start in range(0, count, largest)
            ]
            return {alias: np.concatenate([part[alias] for part in parts]) for alias in parts[0]}
        return self._queued(signature, inputs, cancel)

    def _queued(self, signature: Signature, inputs: Arrays, cancel: Cancellation) -> Arrays:
        count = len(next(iter(inputs.values())))
        shapes = tuple((k, a.shape[1:], a.dtype.str) for k, a in sorted(inputs.items()))
        task = _Task((signature, shapes), signature, inputs, count, cancel)
        self._enqueue(task)
        cancel.listen(task.wake.set)
        return self._answer(task)

    def _enqueue(self, task: _Task) -> None:
        limit = self._parameters.max_enqueued_batches * self._parameters.largest
        with self._changed:
            if self._rows + task.rows > limit:
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            self._waiting.append(task)
            self._rows += task.rows
            self._promote()
            self._changed.notify_all()

    def _promote(self) -> None:
        """Give free places to the oldest tasks that no leader is collecting for."""
        if not self._free:
            return
        open_keys = {task.key for task in self._waiting if task.leads}
        for task in self._waiting:
            if self._free and task.key not in open_keys:
                open_keys.add(task.key)
                self._free -= 1
                task.leads = True
                task.wake.set()

    def _answer(self, task: _Task) -> Arrays:
        late = not task.wake.wait(task.cancel.left())
        if late or task.cancel.cancelled:
            self._withdraw(task)
        if task.leads:
            self._lead(task)
        if task.error is not None:
            raise task.error
        if task.outputs is None:
            raise timed_out() if late else cancelled()
        return task.outputs

    def _withdraw(self, task: _Task) -> None:
        with self._changed:
            if task in self._waiting:
                self._remove(task)
                self._free += task.leads
                self._promote()
                task.leads = False

    def _lead(self, task: _Task) -> None:
        try:
            members = self._collect(task)
            try:
                self._run_together(members)
            except Exception as error:
                # A batch must never leave its members waiting, whatever went wrong.
                log.exception("a batch failed in an unforeseen way")
                fault = StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}")
                for member in members:
                    if member.outputs is None:
                        member.error = member.error or fault
            for member in members:
                member.wake.set()
        finally:
            with self._changed:
                self._free += 1
                self._promote()

    def _collect(self, leader: _Task) -> list[_Task]:
        """Wait until the batch is full or the leader has waited long enough; take its members."""
        largest = self._parameters.largest
        until = leader.since + self._parameters.batch_timeout_micros / 1e6
        with self._changed:
            while (left := until - time.monotonic()) > 0 and not leader.cancel.cancelled:
                if sum(t.rows for t in self._waiting if t.key == leader.key) >= largest:
                    break
                self._changed.wait(left)
            members, rows = [], 0
            for task in [t for t in self._waiting if t.key == leader.key]:
                if rows + task.rows > largest:
                    break
                rows += task.rows
                members.append(task)
                self._remove(task)
            self._promote()
        return members

    def _remove(self, task: _Task) -> None:
        self._waiting.remove(task)
        self._rows -= task.rows

    def _run_together(self, members: Sequence[_Task]) -> None:
        rows = sum(task.rows for task in members)
        padded = next((n for n in self._parameters.allowed_batch_sizes if n >= rows), rows)
        if self._observe:
            now = time.monotonic()
            self._observe([(task.rows, now - task.since) for task in members], padded)
        try:
            outputs = members[0].signature.run(_joined(members, padded), _patience(members))
            if any(array.shape[:1] != (padded,) for array in outputs.values()):
                raise invalid("Batched output tensor's 0th dimension does not equal the batch size")
        except StatusError as error:
            if len(members) == 1 and padded == rows:
                members[0].error = error
                return
            for task in members:
                _run_alone(task)
            return
        start = 0
        for task in members:
            task.outputs = _rows(outputs, start, task.rows)
            start += task.rows


def _rows(arrays: Arrays, start: int, count: int) -> Arrays:
    return {alias: array[start : start + count] for alias, array in arrays.items()}


def _run_alone(task: _Task) -> None:
    """A failing batch is run again one by one: nobody pays for another's request."""
    try:
        task.outputs = task.signature.run(task.inputs, task.cancel.left())
    except StatusError as error:
        task.error = error


def _joined(members: Sequence[_Task], size: int) -> Arrays:
    """Join the inputs; what is missing to an allowed size repeats the last row."""
    joined = {}
    for alias in members[0].inputs:
        parts = [task.inputs[alias] for task in members]
        missing = size - sum(len(part) for part in parts)
        if missing:
            parts.append(np.repeat(parts[-1][-1:], missing, axis=0))
        joined[alias] = np.concatenate(parts) if len(parts) > 1 else parts[0]
    return joined


def _patience(members: Sequence[_Task]) -> float | None:
    """Return how long the most patient member waits (s); None if one waits for ever."""
    waits = [task.cancel.left() for task in members]
    return None if None in waits else max(wait for wait in waits if wait is not None)
