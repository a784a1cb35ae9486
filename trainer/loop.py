"""The one training loop: step, log, draw, save, stop. Read it top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from trainer.checkpoint import Checkpoints
from trainer.errors import Interrupted, RunFailed
from trainer.interrupt import StopOnSignal
from trainer.logs import RunFolder
from trainer.progress import Progress
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

    def sheet(self) -> np.ndarray:
        """Draw what the model makes of fixed inputs: uint8[H,W,C]."""

    def real_sheet(self) -> np.ndarray:
        """Draw what it should look like: uint8[H,W,C]."""

    def save(self, folder: str, seconds: float) -> None:
        """Export the model as a SavedModel with its card, after `seconds` of training."""


def run(
    task: Task,
    train: LoopSettings,
    logs: RunFolder,
    checkpoints: Checkpoints,
) -> None:
    """Train `task` from its present step to `train.steps`.

    Raises:
      RunFailed: A metric is not a number; the message names the steps.
      Interrupted: SIGINT or SIGTERM came; the state was saved first.
    """
    step, began = int(task.step), time.monotonic() - logs.seconds_spent
    batches = task.batches()
    if step == 0:
        logs.image(sheet_name(0), 0, task.sheet())
    with StopOnSignal() as stop, Progress("training", train.steps, "step", step) as progress:
        while step < train.steps:
            # One graph call, never across a step at which something must be written.
            until = min(
                step + train.steps_per_call,
                train.steps,
                _next(step, train.sheet_every),
                _next(step, train.checkpoint_every),
            )
            means = task.train(batches, tf.constant(until - step)).numpy()
            values = dict(zip(task.metric_names, map(float, means), strict=True))
            _check_finite(values, step, until)

            # What happened.
            progress.update(until - step, **{k: v for k, v in values.items() if "loss" in k})
            step = until
            logs.metrics(step, time.monotonic() - began, values)
            if step % train.sheet_every == 0 or step == train.steps:
                logs.image(sheet_name(step), step, task.sheet())

            # What must survive.
            if step % train.checkpoint_every == 0 or step == train.steps or stop.number:
                checkpoints.save(step)
            if stop.number:
                raise Interrupted(
                    stop.number,
                    f"stopped at step {step} of {train.steps}; saved: the same command continues",
                )


def sheet_name(step: int) -> str:
    """Name of the fixed-noise sheet of `step`, without ending."""
    return f"samples-{step:06d}"


def _next(step: int, every: int) -> int:
    return (step // every + 1) * every


def _check_finite(values: dict[str, float], before: int, after: int) -> None:
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise RunFailed(
            f"training diverged: {', '.join(bad)} not a number between steps {before + 1} and "
            f"{after}; lower the learning rates or set train.r1_gamma"
        )
