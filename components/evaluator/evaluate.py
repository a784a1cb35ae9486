"""One evaluation from a SavedModel and examples to scores and a verdict; no TFX in it."""

from __future__ import annotations

import dataclasses
import posixpath
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from components.collect import read_json
from components.evaluator import gate, parts, sampling
from components.evaluator.contract import ContractError, Generator, check_same
from components.evaluator.examples import Stored, open_examples
from components.evaluator.fingerprint import folder_fingerprint
from components.evaluator.judge import judge
from components.evaluator.settings import Evaluation
from components.metrics import extractors
from components.metrics.evidence import Evidence, FeatureSet, Score
from components.metrics.frechet import check_count
from components.metrics.score import score_all
from components.reference import stored as reference_files
from components.reference.settings import ReferenceSettings
from trainer.errors import UserError
from trainer.progress import Progress

SHEET_COLUMNS = 10
"""Images per class in sheets."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """A model that kept to the contract.

    Attributes:
      generator: The loaded model, or ready-made images.
      evidence: Its samples as the extractor sees them, beside the real data.
      scores: Figures by full name.
      sheet: uint8[rows,columns,H,W,C], its first images of each class.
    """

    generator: sampling.Source
    evidence: Evidence
    scores: Mapping[str, Score]
    sheet: np.ndarray

    @property
    def features(self) -> FeatureSet:
        """Its samples, in the order of their seeds."""
        return self.evidence.samples


@dataclasses.dataclass(frozen=True)
class Result:
    """All that a report needs; `candidate` is None for a model that could not be scored."""

    settings: Evaluation
    card: extractors.Card
    stored: Stored
    model_path: str
    model_fingerprint: str
    verdict: gate.Verdict
    reference: FeatureSet
    train: FeatureSet
    floor: Mapping[str, Score]
    candidate: Scored | None
    baseline: Scored | None
    remark: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Bench:
    """What is the same for every model of one evaluation."""

    settings: Evaluation
    extractor: extractors.Extractor
    stored: Stored
    real: reference_files.Reference
    make_pipeline: Callable[[], Any]
    scratch: str

    @property
    def card(self) -> extractors.Card:
        """What is known about the extractor."""
        return self.extractor.card

    @property
    def classes(self) -> int:
        """Number of classes that samples are asked for, in turn."""
        return number_of_classes(self.stored, self.real.train)

    def evidence(self, samples: FeatureSet) -> Evidence:
        """Put samples beside the real data."""
        knows, real = self.card.knows(self.stored.dataset), self.real
        return Evidence(samples, real.held_out, real.train, knows, real.distances)


def evaluate(
    model_path: str,
    examples_uri: str,
    settings: Evaluation,
    make_pipeline: Callable[[], Any],
    scratch: str,
    reference_uri: str | None,
    baseline_path: str | None = None,
    open_model: Callable[[str], sampling.Source] = Generator,
) -> Result:
    """Score a model, compare it with a baseline and decide.

    Args:
      model_path: SavedModel with the signature `generate`.
      examples_uri: Root of an Examples artifact with a manifest.
      settings: What to do.
      make_pipeline: Makes a Beam pipeline; used as a context manager.
      scratch: Folder that workers can write to; removed afterwards.
      reference_uri: What ReferenceStatistics made of the same examples and settings.
      baseline_path: SavedModel now deployed, scored on the same seeds and data. One that cannot
        be loaded or scored any more is named in the reasons and compared with no further.
      open_model: `Images` for ready-made images in the model's place.

    Returns:
      The result; whatever is wrong with the model is in its verdict.

    Raises:
      UserError: Settings, data or extractor do not fit; nothing has been generated then.
    """
    began = time.monotonic()
    try:
        bench = _prepare(examples_uri, settings, make_pipeline, scratch, reference_uri)
        judged = judge(
            lambda path, deployed: (
                _score(bench, Generator, path, "evaluating the deployed model")
                if deployed
                else _score(bench, open_model, path, "evaluating")
            ),
            settings,
            model_path,
            baseline_path,
        )
    finally:
        if tf.io.gfile.exists(scratch):
            tf.io.gfile.rmtree(scratch)
    return Result(
        settings=settings,
        card=bench.card,
        stored=bench.stored,
        model_path=model_path,
        model_fingerprint=folder_fingerprint(model_path),
        reference=bench.real.held_out,
        train=bench.real.train,
        floor=bench.real.floor,
        **judged,
        seconds=time.monotonic() - began,
    )


def _prepare(
    examples_uri: str,
    settings: Evaluation,
    make_pipeline: Callable[[], Any],
    scratch: str,
    reference_uri: str | None,
) -> Bench:
    """Check everything that is not the model's, and read what is known of the real data."""
    extractor = extractors.load(settings.extractor)
    card = extractor.card
    check_count(settings.samples, card.feature_dim, "evaluate.samples")
    stored = open_examples(examples_uri)
    if reference_uri is None:
        raise UserError("images are judged against reference statistics: give those of these data")
    real = reference_files.read(reference_uri)
    real.check(ReferenceSettings.of(settings), card.fingerprint, stored.fingerprint)
    return Bench(settings, extractor, stored, real, make_pipeline, scratch)


def _score(
    bench: Bench, open_model: Callable[[str], sampling.Source], model_path: str, label: str
) -> Scored:
    """Generate, embed and score; raises `ContractError` for whatever is the model's fault."""
    generator = open_model(model_path)
    generator.probe(bench.real.image_shape)
    folder = posixpath.join(bench.scratch, label.replace(" ", "-"))
    seeds = range(bench.settings.seed_offset, bench.settings.seed_offset + bench.settings.samples)
    loaded = {model_path: generator, bench.settings.extractor: bench.extractor}
    with (
        Progress(label, len(seeds), "images") as line,
        sampling.at_hand(loaded, line),
        bench.make_pipeline() as pipeline,
    ):
        sampling.sample(
            pipeline,
            open_model,
            model_path,
            bench.classes,
            bench.settings.extractor,
            folder,
            seeds,
            bench.settings.batch_size,
        )
    faults = read_json(posixpath.join(folder, f"{sampling.FAULTS}.json"))
    if faults:
        more = f" (and {len(faults) - 1} more batches)" if len(faults) > 1 else ""
        raise ContractError(f"{min(faults)}{more}")
    features = parts.gather(folder, bench.card.fingerprint)
    evidence = bench.evidence(features)
    scores = score_all(evidence, bench.card.name)
    return Scored(generator, evidence, scores, _sheet(bench, generator, features))


def _sheet(bench: Bench, generator: sampling.Source, features: FeatureSet) -> np.ndarray:
    """Generate each class's first images anew; that the pixels are the same is part of the test."""
    rows = first_of_classes(features, bench.classes, SHEET_COLUMNS)
    picked = rows[rows >= 0]
    images = generator(features.ids[picked], features.labels[picked])
    digests = np.array([sampling.hash64(image.tobytes()) for image in images], np.uint64)
    check_same(features.ids[picked], digests[:, None], features.digests[picked][:, None])
    sheet = np.zeros((*rows.shape, *images.shape[1:]), np.uint8)
    sheet[rows >= 0] = images
    return sheet


def number_of_classes(stored: Stored, train: FeatureSet) -> int:
    """Return how many classes the data have: named, else annotated; 1 for data without any."""
    return len(stored.class_names) or int(train.labels.max(initial=0)) + 1


def class_of(features: FeatureSet, classes: int) -> np.ndarray:
    """Return int64[N], the class each image is shown under: annotated, else recognised.

    All are of class 0 where the extractor recognises other classes than the data's.
    """
    if features.labelled:
        return features.labels
    same = features.probabilities.shape[1] == classes
    return features.predicted if same else np.zeros(len(features), np.int64)


def first_of_classes(features: FeatureSet, classes: int, columns: int) -> np.ndarray:
    """Return int64[classes,columns], the first rows of each class (-1 where there are no more)."""
    of = class_of(features, classes)
    rows = np.full((classes, columns), -1)
    for label in range(classes):
        found = np.flatnonzero(of == label)[:columns]
        rows[label, : len(found)] = found
    return rows
