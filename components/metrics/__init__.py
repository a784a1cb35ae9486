"""The table of metrics: one pure function and one line here make a new one.

Nothing heavy is imported before a metric is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import NamedTuple

from trainer.errors import unknown_name


class Metric(NamedTuple):
    """One line of the table.

    Attributes:
      path: "module:function"; the function takes an `Evidence` and returns a `Score`, or None where
        the metric does not apply to this model or data.
      better: "lower" or "higher".
      protocol: The figure's scale belongs to the extractor and its bias to the sample count, so
        the reported name carries both: `fid` becomes `fid_digits-cnn_2k`.
      meaning: One line for the report.
      task: "image" or "caption": what the model makes.
    """

    path: str
    better: str
    protocol: bool
    meaning: str
    task: str = "image"


_HERE = "components.metrics"

METRICS: dict[str, Metric] = {
    "fid": Metric(
        f"{_HERE}.frechet:fid",
        "lower",
        True,
        "Fréchet distance of features to held-out data; lower is better",
    ),
    "kid": Metric(
        f"{_HERE}.kernel:kid",
        "lower",
        True,
        "kernel distance to held-out data, unbiased; lower is better",
    ),
    "intra_class_fid": Metric(
        f"{_HERE}.frechet:intra_class_fid",
        "lower",
        True,
        "Fréchet distance, mean over classes; lower is better",
    ),
    "inception_score": Metric(
        f"{_HERE}.labels:inception_score",
        "higher",
        True,
        "classes recognisable and varied; higher is better",
    ),
    "precision": Metric(
        f"{_HERE}.coverage:precision",
        "higher",
        False,
        "share of samples that look real; higher is better",
    ),
    "recall": Metric(
        f"{_HERE}.coverage:recall",
        "higher",
        False,
        "share of real data that samples reach; higher is better",
    ),
    "label_accuracy": Metric(
        f"{_HERE}.labels:label_accuracy",
        "higher",
        False,
        "recognised as the class asked for; higher is better",
    ),
    "class_balance": Metric(
        f"{_HERE}.labels:class_balance",
        "higher",
        False,
        "rarest class, share over expected; higher is better",
    ),
    "distinct_share": Metric(
        f"{_HERE}.memory:distinct_share",
        "higher",
        False,
        "different images among samples; higher is better",
    ),
    "nearest_train_distance": Metric(
        f"{_HERE}.memory:nearest_train_distance",
        "higher",
        False,
        "distance to the nearest training image; 1 as held-out data, 0 a copy",
    ),
    "copied_share": Metric(
        f"{_HERE}.memory:copied_share",
        "lower",
        False,
        "samples nearer to training data than 99 % of held-out data; lower is better",
    ),
}


def of_task(task: str) -> list[str]:
    """Return the names of a task's metrics in the order of the table."""
    return [name for name, metric in METRICS.items() if metric.task == task]


def get(name: str) -> Callable:
    """Return a metric's function.

    Raises:
      UserError: No metric has this name.
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    module, _, function = METRICS[name].path.partition(":")
    return getattr(importlib.import_module(module), function)


def full_name(name: str, extractor: str, samples: int) -> str:
    """Name a figure by its protocol: ("fid", "digits-cnn", 2000) -> "fid_digits-cnn_2k"."""
    return f"{name}_{extractor}_{short_count(samples)}" if METRICS[name].protocol else name


def base_name(name: str) -> str | None:
    """Return the line of the table that a full name belongs to; None if there is none."""
    found = [base for base in METRICS if name == base or name.startswith(f"{base}_")]
    return max(found, key=len, default=None)


def short_count(count: int) -> str:
    """Write 2000 as "2k" and 1297 as "1297"."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)
