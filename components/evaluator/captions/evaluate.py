"""One evaluation of a captioner, from a SavedModel and examples to scores and a verdict."""

from __future__ import annotations

import dataclasses
import functools
import posixpath
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.collect import read_json
from components.evaluator import gate
from components.evaluator.captions import floors, work
from components.evaluator.captions.contract import Captioner, probe
from components.evaluator.captions.examples import Item, foreign_images, read_images, read_items
from components.evaluator.contract import ContractError
from components.evaluator.examples import Stored, open_examples
from components.evaluator.fingerprint import folder_fingerprint
from components.evaluator.judge import judge
from components.evaluator.settings import CaptionEvaluation
from components.metrics.caption_evidence import CaptionEvidence, Losses
from components.metrics.caption_score import score_captions
from components.metrics.caption_tokens import tokenize
from components.metrics.evidence import Score
from trainer.progress import Progress

PROBES = 4
"""Images of the first look."""


@dataclasses.dataclass(frozen=True)
class Maps:
    """Where a model looked: the words of one caption, and float32[T,h,w]."""

    words: list[str]
    maps: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scored:
    """A model that kept to the contract.

    Attributes:
      captions: Its caption of each item, in the order of the items.
      log_probs: Their log probabilities.
      scores: Figures by name.
      attention: Id of a gallery image -> where the model looked; empty without the signature.
    """

    captions: tuple[str, ...]
    log_probs: tuple[float, ...]
    scores: Mapping[str, Score]
    attention: Mapping[str, Maps]


@dataclasses.dataclass(frozen=True)
class Result:
    """All that a report needs; `candidate` is None for a model that could not be scored."""

    settings: CaptionEvaluation
    stored: Stored
    items: tuple[Item, ...]
    gallery: Mapping[str, bytes]
    train_captions: int
    model_path: str
    model_fingerprint: str
    verdict: gate.Verdict
    human: Mapping[str, Score]
    constant: Mapping[str, Score]
    constant_caption: str
    candidate: Scored | None
    baseline: Scored | None
    remark: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Bench:
    """What is the same for every model of one evaluation."""

    settings: CaptionEvaluation
    stored: Stored
    items: tuple[Item, ...]
    gallery: Mapping[str, bytes]
    train: tuple[tuple[str, ...], ...]
    make_pipeline: Callable[[], Any]
    scratch: str

    @functools.cached_property
    def known(self) -> frozenset[str]:
        """All training captions as words."""
        return frozenset(text for texts in self.train for text in texts)


def evaluate(
    model_path: str,
    examples_uri: str,
    settings: CaptionEvaluation,
    make_pipeline: Callable[[], Any],
    scratch: str,
    reference_uri: str | None = None,
    baseline_path: str | None = None,
) -> Result:
    """Caption the held-out images, compare with a baseline and decide.

    Args:
      model_path: SavedModel with the signatures `caption` and `score`.
      examples_uri: Root of an Examples artifact with a manifest.
      settings: What to do.
      make_pipeline: Makes a Beam pipeline; used as a context manager.
      scratch: Folder that workers can write to; removed afterwards.
      reference_uri: Not used: captions are compared as they are, no extractor looks at them.
      baseline_path: SavedModel now deployed, given the same images. One that cannot be loaded or
        scored any more is named in the reasons and compared with no further.

    Returns:
      The result; whatever is wrong with the model is in its verdict.

    Raises:
      UserError: Settings and data do not fit; no model has been asked then.
    """
    began = time.monotonic()
    try:
        bench = _prepare(examples_uri, settings, make_pipeline, scratch)
        judged = judge(functools.partial(_score, bench), settings, model_path, baseline_path)
    finally:
        if tf.io.gfile.exists(scratch):
            tf.io.gfile.rmtree(scratch)
    wanted = bench.train and judged["candidate"] is not None
    sentence = floors.best_constant(bench.train) if wanted else ""
    return Result(
        settings=settings,
        stored=bench.stored,
        items=bench.items,
        gallery=bench.gallery,
        train_captions=sum(map(len, bench.train)),
        model_path=model_path,
        model_fingerprint=folder_fingerprint(model_path),
        human=floors.human(bench.items, bench.known) if judged["candidate"] else {},
        constant=floors.constant(bench.items, bench.known, sentence) if sentence else {},
        constant_caption=sentence,
        **judged,
        seconds=time.monotonic() - began,
    )


def _prepare(
    examples_uri: str, settings: CaptionEvaluation, make_pipeline: Callable[[], Any], scratch: str
) -> Bench:
    """Read everything that is not the model's."""
    stored = open_examples(examples_uri)
    items = tuple(read_items(stored, settings.reference_split, settings.limit))
    files = stored.files(settings.comparison_split)
    tf.io.gfile.makedirs(scratch)
    with make_pipeline() as pipeline:
        work.read_train(pipeline, files, scratch)
    found = sorted(read_json(posixpath.join(scratch, f"{work.TRAIN}.json")))
    train = tuple(tuple(texts) for _, texts in found if texts)
    shown = [item.id for item in items[: max(settings.gallery, PROBES)]]
    gallery = read_images(stored, settings.reference_split, shown)
    return Bench(settings, stored, items, gallery, train, make_pipeline, scratch)


def _score(bench: Bench, model_path: str, deployed: bool) -> Scored:
    """Caption and score; raises `ContractError` for whatever is the model's fault."""
    label = "captioning by the deployed model" if deployed else "captioning"
    model = Captioner(model_path)
    first = list(bench.gallery)[:PROBES]
    probe(model, first, [bench.gallery[name] for name in first])
    attention = _attention(bench, model)
    rows = _rows(bench, model_path, model, label)
    captions = tuple(row["caption"] for row in rows)
    evidence = CaptionEvidence(
        captions=tuple(map(tokenize, captions)),
        references=tuple(item.references for item in bench.items),
        train=bench.known,
        raw=captions,
        facts=tuple(item.facts for item in bench.items),
        losses=_losses(rows),
    )
    log_probs = tuple(row["log_prob"] for row in rows)
    return Scored(captions, log_probs, score_captions(evidence), attention)


def _attention(bench: Bench, model: Captioner) -> dict[str, Maps]:
    """Ask where the model looks in the images of the gallery, if it can tell."""
    if not model.attends:
        return {}
    ids = list(bench.gallery)[: bench.settings.gallery]
    looks = model.attention(ids, [bench.gallery[name] for name in ids])
    return {name: Maps(*found) for name, found in zip(ids, looks, strict=True)}


def _rows(bench: Bench, model_path: str, model: Captioner, label: str) -> list[dict[str, Any]]:
    """Ask the model about every item in Beam; rows in the order of the items."""
    settings, ids = bench.settings, [item.id for item in bench.items]
    folder = posixpath.join(bench.scratch, label.replace(" ", "-"))
    tf.io.gfile.makedirs(folder)
    with (
        Progress(label, len(ids), "images") as line,
        work.at_hand(model_path, model, line),
        bench.make_pipeline() as pipeline,
    ):
        work.caption_all(
            pipeline,
            bench.stored.files(settings.reference_split),
            model_path,
            {item.id: item.captions for item in bench.items},
            foreign_images(ids, settings.permutations, settings.seed),
            folder,
            settings.batch_size,
        )
    if faults := read_json(posixpath.join(folder, f"{work.FAULTS}.json")):
        more = f" (and {len(faults) - 1} more batches)" if len(faults) > 1 else ""
        raise ContractError(f"{min(faults)}{more}")
    found = read_json(posixpath.join(folder, f"{work.ROWS}.json"))
    return sorted(found, key=lambda row: row["id"])


def _losses(rows: list[dict[str, Any]]) -> Losses:
    """Sum each item's losses; the right ones again over the captions that were tried elsewhere."""

    def total(values: Callable[[dict[str, Any]], Any]) -> np.ndarray:
        return np.array([sum(values(row)) for row in rows], np.float64)

    def tried(row: dict[str, Any]) -> list[float]:
        return [row["right"][at % len(row["right"])] for at in range(len(row["foreign"]))]

    return Losses(
        right=total(lambda row: row["right"]),
        words=total(lambda row: row["right_words"]),
        paired=total(tried),
        foreign=total(lambda row: row["foreign"]),
        paired_words=total(lambda row: row["foreign_words"]),
    )
