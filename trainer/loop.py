"""The one training loop: step, log, draw, save, stop. Read it top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainer.best import Best
from trainer.checkpoint import Checkpoints
from trainer.errors import Interrupted, RunFailed
from trainer.interrupt import StopOnSignal
from trainer.logs import RunFolder
from trainer.progress import Progress, say
from trainer.settings import LoopSettings


class Task(Protocol):
    """What the loop needs to know of whatever is being trained."""

    step: tf.Variable
    metric_names: tuple[str, ...]
    examples: int
    """Training examples, for the model card."""

    def trackables(self) -> dict[str, Any]:
        """Return everything a checkpoint must hold."""

    def batches(self) -> Iterator[Any]:
        """Yield training batches from the present step on, the same whenever it was reached."""

    def train(self, batches: Iterator[Any], count: tf.Tensor) -> tf.Tensor:
        """Run `count` steps; return the mean of each metric, float32[len(metric_names)]."""

    def trouble(self, values: dict[str, float]) -> str:
        """Say why training should stop, seen from the latest metrics; empty: all is well."""

    def validate(self) -> dict[str, float]:
        """Return figures on held-out data; by the first, lower is better, the best is kept."""

    def sheet(self) -> np.ndarray:
        """Draw what the model makes of fixed inputs: uint8[H,W,C]."""

    def report(self, logs: RunFolder) -> None:
        """Write what belongs beside a sheet: histograms, attention maps."""

    def real_sheet(self) -> np.ndarray:
        """Draw what it should look like: uint8[H,W,C]."""

    def save(self, folder: str, seconds: float) -> None:
        """Export the model as a SavedModel with its card, after `seconds` of training."""


def run(
    task: Task,
    train: LoopSettings,
    logs: RunFolder,
    checkpoints: Checkpoints,
    best: Best,
) -> None:
    """Train `task` from its present step to `train.steps`, or until nothing better comes.

    Raises:
      RunFailed: Training went wrong; the message says how and between which steps.
      Interrupted: SIGINT or SIGTERM came; the state was saved first.
    """
    step, began = int(task.step.numpy()), time.monotonic() - logs.seconds_spent
    batches = task.batches()
    if step == 0:
        logs.image(sheet_name(0), 0, task.sheet())
    with StopOnSignal() as stop, Progress("training", train.steps, "step", step) as progress:
        while step < train.steps and not best.given_up(train.patience):
            until = _next_stop(step, train)
            means = task.train(batches, tf.constant(until - step)).numpy()
            values = dict(zip(task.metric_names, map(float, means), strict=True))
            _check(values, task.trouble(values), step, until)

            # What happened.
            progress.update(until - step, **{k: v for k, v in values.items() if "loss" in k})
            step = until
            if _due(step, train.validate_every, train.steps):
                figures = task.validate()
                _check(figures, "", step - 1, step)
                if best.note(step, next(iter(figures.values()))):
                    checkpoints.save_best(step)
                values |= figures
            logs.metrics(step, time.monotonic() - began, values)
            if _due(step, train.sheet_every, train.steps):
                logs.image(sheet_name(step), step, task.sheet())
                task.report(logs)

            # What must survive.
            if _due(step, train.checkpoint_every, train.steps) or stop.number:
                checkpoints.save(step)
            if stop.number:
                raise Interrupted(
                    stop.number,
                    f"stopped at step {step} of {train.steps}; saved: the same command continues",
                )
    if best.given_up(train.patience):
        say(
            f"training ends early at step {step}: {train.patience} validations in a row were no "
            f"better than that of step {int(best.step.numpy())}"
        )


def sheet_name(step: int) -> str:
    """Name of the fixed-noise sheet of `step`, without ending."""
    return f"samples-{step:06d}"


def _next_stop(step: int, train: LoopSettings) -> int:
    """Return where the next graph call ends: never beyond a step at which something is due."""
    intervals = (train.sheet_every, train.checkpoint_every, train.validate_every)
    due = [(step // every + 1) * every for every in intervals if every]
    return min(step + train.steps_per_call, train.steps, *due)


def _due(step: int, every: int, last: int) -> bool:
    return every > 0 and (step % every == 0 or step == last)


def _check(values: dict[str, float], trouble: str, before: int, after: int) -> None:
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        trouble = f"{', '.join(bad)} not a number"
    if trouble:
        raise RunFailed(
            f"training diverged: {trouble} between steps {before + 1} and {after}; lower the "
            "learning rates or give the model less freedom"
        )
