"""Writes what the verdict rests on: evaluation.json, samples.png and report.html."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from components.evaluator import page, sheet
from components.evaluator.evaluate import Result
from components.metrics.evidence import Score

JSON_FILE, SHEET_FILE, PAGE_FILE = "evaluation.json", "samples.png", "report.html"


def write(result: Result, folder: str, runs: Sequence[str] = ()) -> None:
    """Write the three files of an evaluation.

    Args:
      result: What was found.
      folder: Root of the evaluation artifact.
      runs: Folders of training runs; the first `metrics.jsonl` below them gives the curves.
    """
    tf.io.gfile.makedirs(folder)
    put(folder, PAGE_FILE, page.render(result, runs).encode())
    if result.candidate is not None:
        picture = sheet.labelled_sheet(result.candidate.sheet, page.class_names(result))
        put(folder, SHEET_FILE, sheet.png(picture))
    put(folder, JSON_FILE, (json.dumps(record(result), indent=2) + "\n").encode())


def record(result: Result) -> dict[str, Any]:
    """Return everything a machine may want to know, as JSON types."""
    return {
        **shared(result),
        "real_data_scores": scores(result.floor),
        "protocol": {
            "extractor": result.card.name,
            "extractor_fingerprint": result.card.fingerprint,
            "extractor_test_accuracy": result.card.test_accuracy,
            "feature_dim": result.card.feature_dim,
            "samples": result.settings.samples,
            "reference_images": len(result.reference),
            "train_images": len(result.train),
            "error": "one standard deviation over fresh samples, held-out data fixed",
        },
    }


def shared(result: Any) -> dict[str, Any]:
    """Return the part of the record that every task has, from the task's `Result`."""
    return {
        "blessed": result.verdict.blessed,
        "verdict": "BLESSED" if result.verdict.blessed else "NOT_BLESSED",
        "reasons": result.verdict.reasons,
        "checks": [
            {"metric": check.metric, "passed": check.passed, "text": check.text}
            for check in result.verdict.checks
        ],
        "scores": scores(result.candidate.scores if result.candidate else {}),
        "baseline_scores": scores(result.baseline.scores if result.baseline else {}),
        "settings": result.settings.model_dump(mode="json"),
        "data": {
            "dataset": result.stored.dataset,
            "version": result.stored.version,
            "fingerprint": result.stored.fingerprint,
        },
        "model": {"path": result.model_path, "fingerprint": result.model_fingerprint},
        "seconds": round(result.seconds, 2),
    }


def properties(result: Result) -> dict[str, str]:
    """Return what the evaluation artifact tells in the metadata, as strings."""
    return {"extractor_fingerprint": result.card.fingerprint, **shared_properties(result)}


def shared_properties(result: Any) -> dict[str, str]:
    """Return the properties that every task has: verdict, data and figures."""
    found = result.candidate.scores if result.candidate else {}
    return {
        "verdict": "BLESSED" if result.verdict.blessed else "NOT_BLESSED",
        "data_fingerprint": result.stored.fingerprint,
        **{name: f"{score.value:.6g}" for name, score in found.items()},
    }


def scores(found: Mapping[str, Score]) -> dict[str, dict[str, float]]:
    """Return figures as JSON types."""
    return {name: {"value": s.value, "error": s.error} for name, s in found.items()}


def put(folder: str, name: str, content: bytes) -> None:
    """Write a file aside and rename it: a reader sees all of it or nothing."""
    aside = posixpath.join(folder, f".{name}.tmp")
    with tf.io.gfile.GFile(aside, "wb") as file:
        file.write(content)
    tf.io.gfile.rename(aside, posixpath.join(folder, name), overwrite=True)
