"""Training curves as the points of small inline drawings, from a run's metrics.jsonl."""

from __future__ import annotations

import dataclasses
import json
import math
import posixpath
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

METRICS_FILE = "metrics.jsonl"
AXES = ("step", "seconds")
WIDTH, HEIGHT = 320, 96
"""View box of a drawing, in its own units."""

POINTS = 160
"""Points a line has at most: more than its pixels show nothing."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """One figure over the steps.

    Attributes:
      name: Its name in the log.
      line: Points "x,y x,y ..." of the running mean, in the view box.
      area: Points of the closed band between lowest and highest of each stretch.
      low: Smallest value drawn.
      high: Largest value drawn.
      last: Value of the last stretch.
      steps: Last step.
    """

    name: str
    line: str
    area: str
    low: float
    high: float
    last: float
    steps: int


def find(runs: Sequence[str]) -> list[Curve]:
    """Return the curves of the first run folder that has any; empty if none has."""
    for run in runs:
        for folder, _, files in tf.io.gfile.walk(run):
            if METRICS_FILE in files:
                with tf.io.gfile.GFile(posixpath.join(folder, METRICS_FILE)) as file:
                    return draw(parse(file.read()))
    return []


def parse(text: str) -> list[dict[str, Any]]:
    """Read JSON lines; a line that is torn or no object is skipped."""
    rows = []
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


def draw(rows: Sequence[dict[str, Any]]) -> list[Curve]:
    """Turn rows into one curve for each figure with at least two finite values."""
    names = {key: None for row in rows for key in row if key not in AXES}
    curves = []
    for name in names:
        found = [(row["step"], row[name]) for row in rows if _finite(row.get(name))]
        if len(found) >= 2 and found[0][0] < found[-1][0]:
            curves.append(_curve(name, found))
    return curves


def _curve(name: str, found: list[tuple[float, float]]) -> Curve:
    size = math.ceil(len(found) / POINTS)
    stretches = [found[at : at + size] for at in range(0, len(found), size)]
    values = [[value for _, value in stretch] for stretch in stretches]
    low, high = min(map(min, values)), max(map(max, values))
    first, last = found[0][0], found[-1][0]

    def point(step: float, value: float) -> str:
        x = (step - first) / (last - first) * WIDTH
        y = HEIGHT - (value - low) / ((high - low) or 1) * HEIGHT
        return f"{x:.1f},{y:.1f}"

    steps = [stretch[-1][0] for stretch in stretches]
    means = [sum(part) / len(part) for part in values]
    upper = [point(s, max(part)) for s, part in zip(steps, values, strict=True)]
    lower = [point(s, min(part)) for s, part in zip(steps, values, strict=True)]
    return Curve(
        name=name,
        line=" ".join(point(s, mean) for s, mean in zip(steps, means, strict=True)),
        area=" ".join(upper + lower[::-1]),
        low=low,
        high=high,
        last=means[-1],
        steps=int(last),
    )


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
