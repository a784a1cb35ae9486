"""Writes what the verdict rests on: evaluation.json, captions.jsonl, samples.png, report.html."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.evaluator.captions import page, pictures
from components.evaluator.captions.evaluate import Result
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

CAPTIONS_FILE = "captions.jsonl"


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
        captions = {line["id"]: line["caption"] for line in _lines(result)}
        shown = [pictures.decode(image) for image in result.gallery.values()]
        put(folder, SHEET_FILE, png(pictures.sheet(shown, [captions[i] for i in result.gallery])))
        lines = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in _lines(result))
        put(folder, CAPTIONS_FILE, lines.encode())
    put(folder, JSON_FILE, (json.dumps(record(result), indent=2) + "\n").encode())


def record(result: Result) -> dict[str, Any]:
    """Return everything a machine may want to know, as JSON types."""
    return {
        **shared(result),
        "real_data_scores": scores(result.human),
        "constant_scores": scores(result.constant),
        "constant_caption": result.constant_caption,
        "protocol": {
            "words": "Penn Treebank rules, lower case, punctuation dropped, on both sides",
            "images": len(result.items),
            "references": sum(len(item.captions) for item in result.items),
            "train_captions": result.train_captions,
            "cider_d": "document frequencies of these references: compares on these images only",
            "token_loss": "over all references, in the model's own vocabulary",
            "real_data": "each image's first caption against its others",
            "error": "one standard deviation over other images like these",
        },
    }


def properties(result: Result) -> dict[str, str]:
    """Return what the evaluation artifact tells in the metadata, as strings."""
    return shared_properties(result)


def _lines(result: Result) -> list[dict[str, Any]]:
    """One line per image: caption, log probability, the deployed model's, references."""
    assert result.candidate is not None
    found = []
    for row, item in enumerate(result.items):
        line: dict[str, Any] = {"id": item.id, "caption": result.candidate.captions[row]}
        line["log_prob"] = result.candidate.log_probs[row]
        if result.baseline is not None:
            line["deployed"] = result.baseline.captions[row]
        found.append({**line, "references": item.captions})
    return found
