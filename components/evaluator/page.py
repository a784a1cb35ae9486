"""Fills the report's template: figures, bounds and pictures in one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from components.evaluator import layout, sheet
from components.evaluator.evaluate import (
    SHEET_COLUMNS,
    Result,
    class_of,
    first_of_classes,
    number_of_classes,
)
from components.evaluator.examples import find_images
from components.metrics.neighbours import nearest

NEIGHBOURS = 3
"""Training images shown beside each suspicious sample."""

HEADLINES = ("fid", "label_accuracy", "recall", "nearest_train_distance")
"""Figures shown large, besides those with a bound."""

FLOOR = "Real data"
"""Name of the figures that no generator should be expected to beat."""


def render(result: Result, runs: Sequence[str]) -> str:
    """Return the page as HTML text.

    Args:
      result: What was found.
      runs: Folders in which to look for training curves.
    """
    return layout.fill(
        "report.html",
        result,
        runs,
        names=class_names(result),
        rows=layout.rows(result, {FLOOR: result.floor}, HEADLINES),
        floor=FLOOR,
        classes=_classes(result),
        neighbours=_neighbours(result),
    )


def class_names(result: Result) -> list[str]:
    """Return a name for each class of the data."""
    classes = number_of_classes(result.stored, result.train)
    return list(result.stored.class_names) or [str(number) for number in range(classes)]


def _classes(result: Result) -> list[dict[str, Any]]:
    """One row per class: samples, the deployed model's samples, held-out images."""
    if result.candidate is None:
        return []
    split = result.settings.reference_split
    names = class_names(result)
    rows = first_of_classes(result.reference, len(names), SHEET_COLUMNS)
    ids = {str(result.reference.ids[row]) for row in rows[rows >= 0]}
    real = find_images(result.stored, split, ids)
    classes = []
    for label, name in enumerate(names):
        kept = [real[str(result.reference.ids[row])] for row in rows[label] if row >= 0]
        sets = [("generated", result.candidate.sheet[label])]
        if result.baseline is not None:
            sets.append(("deployed", result.baseline.sheet[label]))
        if kept:
            sets.append(("real", np.stack(kept)))
        classes.append(
            {
                "name": name,
                "sets": [(kind, sheet.data_uri(sheet.strip(images))) for kind, images in sets],
            }
        )
    return classes


def _neighbours(result: Result) -> list[dict[str, Any]]:
    """Each class's sample that is nearest to a training image, with its nearest ones."""
    if result.candidate is None:
        return []
    samples = result.candidate.features
    distances = result.candidate.evidence.samples_to_train
    typical = float(np.median(result.candidate.evidence.among_real.to_train))
    names = class_names(result)
    of = class_of(samples, len(names))
    chosen = []
    for label in range(len(names)):
        rows = np.flatnonzero(of == label)
        if len(rows):
            chosen.append(int(rows[distances[rows].argmin()]))
    k = min(NEIGHBOURS, len(result.train))
    apart, indices = nearest(samples.features[chosen], result.train.features, k)
    ids = result.train.ids[indices].astype(str)
    found = find_images(result.stored, result.settings.comparison_split, set(ids.ravel().tolist()))
    images = result.candidate.generator(samples.ids[chosen], samples.labels[chosen])
    return [
        {
            "name": names[int(of[row])],
            "seed": int(samples.ids[row]),
            "sample": sheet.data_uri(sheet.to_pil(images[number])),
            "real": [sheet.data_uri(sheet.to_pil(found[i])) for i in ids[number].tolist()],
            "ratio": float(apart[number, 0]) / typical,
        }
        for number, row in enumerate(chosen)
    ]
