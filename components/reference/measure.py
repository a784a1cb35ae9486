"""Measures the real data: features of both splits by Beam, and their own scores."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components import metrics
from components.evaluator import parts, sampling
from components.evaluator.examples import Stored, image_shape, open_examples
from components.metrics import extractors
from components.metrics.evidence import Evidence, FeatureSet, Score
from components.metrics.frechet import check_count
from components.metrics.score import score_all
from components.reference import stored as files
from components.reference.settings import ReferenceSettings

SCRATCH = ".scratch"
AGAINST_MEMORISATION = ("nearest_train_distance", "copied_share")


def measure(
    examples_uri: str,
    settings: ReferenceSettings,
    make_pipeline: Callable[[], Any],
    folder: str,
) -> files.Reference:
    """Extract held-out and training data, score real images as if they were samples, and store.

    Args:
      examples_uri: Root of an Examples artifact with a manifest.
      settings: What to look at.
      make_pipeline: Makes a Beam pipeline; used as a context manager.
      folder: Where the files go, see `stored.write`; workers write into a folder below.

    Returns:
      What was written.

    Raises:
      UserError: Settings, data or extractor do not fit.
    """
    extractor = extractors.load(settings.extractor)
    card = extractor.card
    check_count(settings.samples, card.feature_dim, "evaluate.samples")
    stored = open_examples(examples_uri)
    shape = image_shape(stored, settings.reference_split, card)
    splits = (settings.reference_split, settings.comparison_split)
    scratch = posixpath.join(folder, SCRATCH)
    try:
        with sampling.at_hand({settings.extractor: extractor}):
            held_out, train = _features(stored, splits, settings, make_pipeline, scratch, card)
    finally:
        if tf.io.gfile.exists(scratch):
            tf.io.gfile.rmtree(scratch)
    for split, features in zip(splits, (held_out, train), strict=True):
        check_count(len(features), card.feature_dim, f"split '{split}'")
    knows = card.knows(stored.dataset)
    itself = Evidence(held_out, held_out, train, knows)
    reference = files.Reference(
        settings=settings,
        extractor=card.fingerprint,
        data=stored.fingerprint,
        image_shape=shape,
        held_out=held_out,
        train=train,
        distances=itself.among_real,
        floor=_floor(itself, settings.samples, card),
    )
    files.write(reference, folder)
    return reference


def _features(
    stored: Stored,
    splits: tuple[str, ...],
    settings: ReferenceSettings,
    make_pipeline: Callable[[], Any],
    scratch: str,
    card: extractors.Card,
) -> list[FeatureSet]:
    shards = {split: stored.files(split) for split in splits}
    with make_pipeline() as pipeline:
        for split, names in shards.items():
            sampling.embed_stored(
                pipeline,
                split,
                names,
                settings.extractor,
                posixpath.join(scratch, split),
                settings.batch_size,
            )
    return [parts.gather(posixpath.join(scratch, split), card.fingerprint) for split in splits]


def _floor(itself: Evidence, samples: int, card: extractors.Card) -> dict[str, Score]:
    """Score real images as if they were samples: no generator should be expected to do better.

    They are training images, never repeated; for the figures against memorisation, whose yardstick
    are held-out images, those: `itself` has them as samples.
    """
    train = itself.train
    real = train.take(slice(0, min(len(train), samples)))
    evidence = Evidence(real, itself.reference, train, itself.knows_classes, itself.among_real)
    scores = score_all(evidence, card.name)
    return scores | {name: metrics.get(name)(itself) for name in AGAINST_MEMORISATION}
