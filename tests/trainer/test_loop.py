"""The loop by itself, on a task of one number: validation, the best checkpoint, early stop."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer import loop
from trainer.best import Best
from trainer.checkpoint import Checkpoints
from trainer.errors import RunFailed
from trainer.logs import RunFolder
from trainer.settings import LoopSettings

SETTINGS = LoopSettings(
    steps=40, steps_per_call=5, sheet_every=20, checkpoint_every=10, validate_every=10
)


class Counting:
    """Its weight counts the steps; its figure on held-out data is scripted, one per validation."""

    metric_names = ("loss",)
    examples = 1

    def __init__(self, figures: list[float], trouble: str = "") -> None:
        self.step = tf.Variable(0, dtype=tf.int64)
        self.weight = tf.Variable(0.0)
        self._figures, self._trouble, self.reports = figures, trouble, 0

    def trackables(self):
        return {"step": self.step, "weight": self.weight}

    def batches(self):
        return itertools.repeat(None)

    def train(self, batches, count):
        self.step.assign_add(int(count))
        self.weight.assign_add(float(count))
        return tf.constant([1.0])

    def trouble(self, values):
        return self._trouble

    def validate(self):
        return {"figure": self._figures[int(self.step) // 10 - 1], "other": 7.0}

    def sheet(self):
        return np.zeros((2, 2, 1), np.uint8)

    def report(self, logs):
        self.reports += 1


def run(folder: Path, task: Counting, settings: LoopSettings = SETTINGS) -> tuple[Best, list]:
    """Run or continue; return what was best and the logged lines. The task ends at its best."""
    best = Best()
    checkpoints = Checkpoints(folder, {**task.trackables(), "best": best})
    checkpoints.restore()
    logs = RunFolder(folder / "run", "{}", "", int(task.step))
    try:
        loop.run(task, settings, logs, checkpoints, best)
    finally:
        logs.close()
    checkpoints.restore_best()
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    return best, [json.loads(line) for line in lines]


def test_the_best_checkpoint_is_kept_and_restored(tmp_path: Path) -> None:
    task = Counting([3.0, 1.0, 2.0, 1.0])
    best, lines = run(tmp_path, task)
    assert (int(best.step), float(best.value)) == (20, 1.0), "the first of equals stays"
    assert float(task.weight) == 20.0
    validated = {line["step"]: line["figure"] for line in lines if "figure" in line}
    assert validated == {10: 3.0, 20: 1.0, 30: 2.0, 40: 1.0}
    assert lines[1]["other"] == 7.0 and task.reports == 2


def test_patience_ends_the_training_and_survives_resumption(tmp_path: Path, capsys) -> None:
    first = SETTINGS.model_copy(update={"steps": 20, "patience": 2})
    run(tmp_path, Counting([1.0, 2.0]), first)
    task = Counting([1.0, 2.0, 2.0, 0.0])
    _, lines = run(tmp_path, task, first.model_copy(update={"steps": 40}))
    assert lines[-1]["step"] == 30, "one without a better one before, one after"
    assert float(task.weight) == 10.0
    assert "ends early at step 30: 2 validations in a row were no better than that of step 10" in (
        capsys.readouterr().err
    )


def test_without_validation_nothing_is_called_the_best(tmp_path: Path) -> None:
    task = Counting([])
    run(tmp_path, task, SETTINGS.model_copy(update={"validate_every": 0}))
    assert float(task.weight) == 40.0


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Counting([float("nan")]), "figure not a number between steps 10 and 10"),
        (Counting([], "the loss ran away"), "the loss ran away between steps 1 and 5"),
    ],
)
def test_a_training_gone_wrong_stops_with_its_reason(tmp_path: Path, task, message) -> None:
    with pytest.raises(RunFailed, match=message):
        run(tmp_path, task)
