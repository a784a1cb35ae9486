"""Writes what the verdict rests on: evaluation.json, samples.png and report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.evaluator.report import (
    JSON_FILE,
    PAGE_FILE,
    SHEET_FILE,
    put,
    scores,
    shared,
    shared_properties,
)
from components.evaluator.sheet import png
from components.evaluator.values import page
from components.evaluator.values.evaluate import Result


def write(result: Result, folder: str, runs: Sequence[str] = ()) -> None:
    """Write the files of an evaluation.

    Args:
      result: What was found.
      folder: Root of the evaluation artifact.
      runs: Folders of training runs; the first `metrics.jsonl` below them gives the curves.
    """
    tf.io.gfile.makedirs(folder)
    put(folder, PAGE_FILE, page.render(result, runs).encode())
    if result.candidate is not None:
        put(folder, SHEET_FILE, png(page.sheet(result.candidate.evidence, page.names(result))))
    put(folder, JSON_FILE, (json.dumps(record(result), indent=2) + "\n").encode())


def record(result: Result) -> dict[str, Any]:
    """Return everything a machine may want to know, as JSON types."""
    return {
        **shared(result),
        "real_data_scores": scores(result.real),
        "classes": page.moments(result),
        "protocol": {
            "samples": result.settings.samples,
            "reference_numbers": len(result.reference[0]),
            "figures": "of the worst class, in standard deviations of held-out numbers",
            "error": "one standard deviation over fresh samples, held-out data fixed",
        },
    }


def properties(result: Result) -> dict[str, str]:
    """Return what the evaluation artifact tells in the metadata, as strings."""
    return shared_properties(result)
