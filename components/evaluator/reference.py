"""Features of the real data: extracted once per data, split and extractor, then reused."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from components.evaluator import parts, sampling
from components.evaluator.examples import Stored
from components.metrics.evidence import FeatureSet
from components.metrics.extractors import Card
from components.metrics.moments import Moments


def features_of(
    stored: Stored,
    splits: tuple[str, ...],
    extractor: str,
    card: Card,
    make_pipeline: Callable[[], Any],
    scratch: str,
    cache_dir: str | None,
    batch_size: int,
) -> dict[str, FeatureSet]:
    """Return the features of whole splits, from the cache where it has them.

    Args:
      stored: The examples.
      splits: Which of their splits.
      extractor: The extractor as Beam workers find it.
      card: Its card; the fingerprint is part of the cache's key.
      make_pipeline: Makes the Beam pipeline to fill what is missing.
      scratch: Folder for files on their way.
      cache_dir: Folder of the cache; None to extract anew every time.
      batch_size: Images per call of the extractor.

    Returns:
      Split -> features, rows in the order of their ids.

    Raises:
      UserError: A split is not there, or its images are not the extractor's size.
    """
    files = {split: stored.files(split) for split in splits}
    cached = {split: _cache_file(stored, split, card, cache_dir) for split in splits}
    found = {split: _load(path, card) for split, path in cached.items()}
    missing = [split for split in splits if found[split] is None]
    if missing:
        with make_pipeline() as pipeline:
            for split in missing:
                folder = posixpath.join(scratch, split)
                sampling.embed_stored(pipeline, split, files[split], extractor, folder, batch_size)
    for split in missing:
        features = parts.gather(posixpath.join(scratch, split), card.fingerprint)
        path = cached[split]
        if path:
            _save(features, path)
        found[split] = features
    return {split: features for split, features in found.items() if features is not None}


def _cache_file(stored: Stored, split: str, card: Card, cache_dir: str | None) -> str | None:
    if not cache_dir:
        return None
    name = f"{stored.dataset}-{split}-{stored.fingerprint[:16]}-{card.fingerprint[:16]}.npz"
    return posixpath.join(cache_dir, name)


def _save(features: FeatureSet, path: str) -> None:
    folder, name = posixpath.split(path)
    parts.write(
        folder,
        name.removesuffix(".npz"),
        **{key: getattr(features, key) for key in parts.ROWS},
        group_n=np.array([group.n for group in features.groups]),
        group_mean=np.stack([group.mean for group in features.groups]),
        group_m2=np.stack([group.m2 for group in features.groups]),
    )


def _load(path: str | None, card: Card) -> FeatureSet | None:
    """Read a file of the cache; None if there is none, or one that was damaged."""
    if not path or not tf.io.gfile.exists(path):
        return None
    try:
        stored = parts.read(path)
        groups = zip(stored["group_n"], stored["group_mean"], stored["group_m2"], strict=True)
        return FeatureSet(
            **{key: stored[key] for key in parts.ROWS},
            groups=tuple(Moments(int(n), mean, m2) for n, mean, m2 in groups),
            extractor=card.fingerprint,
        )
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile):
        return None
