"""The table of tasks: what evaluates a model and what reports on it. Nothing heavy is imported."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple

from components.evaluator.settings import AnyEvaluation


class Task(NamedTuple):
    """One task's modules.

    Attributes:
      evaluate: Offers `evaluate(model_path, examples_uri, settings, make_pipeline, scratch,
        reference_uri, baseline_path)`, whose result has a `verdict` and a `baseline`.
      report: Offers `write(result, folder, runs)` and `properties(result)`.
    """

    evaluate: ModuleType
    report: ModuleType


TASKS = {
    "image": ("components.evaluator.evaluate", "components.evaluator.report"),
    "caption": (
        "components.evaluator.captions.evaluate",
        "components.evaluator.captions.report",
    ),
    "value": ("components.evaluator.values.evaluate", "components.evaluator.values.report"),
}


def of(settings: AnyEvaluation) -> Task:
    """Return the modules for the task that the settings are about."""
    return Task(*map(importlib.import_module, TASKS[settings.task]))
