"""One evaluation of a generator of numbers, from SavedModel and examples to a verdict; no TFX."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.collect import read_json
from components.evaluator import gate
from components.evaluator.contract import ContractError
from components.evaluator.examples import Stored, open_examples
from components.evaluator.fingerprint import folder_fingerprint
from components.evaluator.judge import judge
from components.evaluator.settings import ValueEvaluation
from components.evaluator.values import work
from components.evaluator.values.contract import NumberGenerator
from components.metrics.evidence import Score
from components.metrics.values import ValueEvidence, score_values


@dataclasses.dataclass(frozen=True)
class Scored:
    """A model that kept to the contract: its numbers beside the data, and their figures."""

    evidence: ValueEvidence
    scores: Mapping[str, Score]


@dataclasses.dataclass(frozen=True)
class Result:
    """All that a report needs; `candidate` is None for a model that could not be scored."""

    settings: ValueEvaluation
    stored: Stored
    model_path: str
    model_fingerprint: str
    verdict: gate.Verdict
    reference: tuple[np.ndarray, np.ndarray]
    real: Mapping[str, Score]
    candidate: Scored | None
    baseline: Scored | None
    remark: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Bench:
    """What is the same for every model of one evaluation."""

    settings: ValueEvaluation
    stored: Stored
    reference: tuple[np.ndarray, np.ndarray]
    make_pipeline: Callable[[], Any]
    scratch: str


def evaluate(
    model_path: str,
    examples_uri: str,
    settings: ValueEvaluation,
    make_pipeline: Callable[[], Any],
    scratch: str,
    reference_uri: str | None = None,
    baseline_path: str | None = None,
) -> Result:
    """Score a generator of numbers, compare it with a baseline and decide.

    Args:
      model_path: SavedModel with the signature `generate`.
      examples_uri: Root of an Examples artifact with a manifest.
      settings: What to do.
      make_pipeline: Makes a Beam pipeline; used as a context manager.
      scratch: Folder that workers can write to; removed afterwards.
      reference_uri: Not used: numbers are compared as they are, no extractor looks at them.
      baseline_path: SavedModel now deployed, scored on the same seeds. One that cannot be loaded
        or scored any more is named in the reasons and compared with no further.

    Returns:
      The result; whatever is wrong with the model is in its verdict.

    Raises:
      UserError: Settings and data do not fit; nothing has been generated then.
    """
    began = time.monotonic()
    stored = open_examples(examples_uri)
    bench = Bench(
        settings,
        stored,
        work.read_split(stored, settings.reference_split),
        make_pipeline,
        scratch,
    )
    real = work.read_split(stored, settings.comparison_split)
    try:
        judged = judge(
            lambda path, deployed: _score(bench, path, "deployed" if deployed else "candidate"),
            settings,
            model_path,
            baseline_path,
        )
    finally:
        if tf.io.gfile.exists(scratch):
            tf.io.gfile.rmtree(scratch)
    return Result(
        settings=settings,
        stored=stored,
        model_path=model_path,
        model_fingerprint=folder_fingerprint(model_path),
        reference=bench.reference,
        real=score_values(ValueEvidence(*real, *bench.reference)),
        **judged,
        seconds=time.monotonic() - began,
    )


def _score(bench: Bench, model_path: str, name: str) -> Scored:
    """Generate and score; raises `ContractError` for whatever is the model's fault."""
    NumberGenerator(model_path).probe((1,))
    settings, folder = bench.settings, f"{bench.scratch}/{name}"
    tf.io.gfile.makedirs(folder)
    seeds = range(settings.seed_offset, settings.seed_offset + settings.samples)
    ranges = [
        (at, min(at + settings.batch_size, seeds.stop)) for at in seeds[:: settings.batch_size]
    ]
    classes = max(1, len(bench.stored.class_names))
    with bench.make_pipeline() as pipeline:
        work.sample(pipeline, model_path, classes, ranges, folder)
    if faults := read_json(f"{folder}/{work.FAULTS_FILE}"):
        raise ContractError(min(faults))
    rows = sorted(read_json(f"{folder}/{work.ROWS}"))
    labels = np.concatenate([labels for _, labels, _ in rows])
    values = np.concatenate([values for *_, values in rows])
    reference, reference_labels = bench.reference
    if (labels < 0).any():
        # Nothing was asked for: all the data are what it should look like.
        labels, reference_labels = np.zeros_like(labels), np.zeros_like(reference_labels)
    evidence = ValueEvidence(values, labels, reference, reference_labels)
    return Scored(evidence, score_values(evidence))
