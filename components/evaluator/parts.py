"""Feature rows on their way out of Beam workers: one file per element, named by its content."""

from __future__ import annotations

import io
import posixpath

import numpy as np
import tensorflow as tf

from components.metrics.evidence import FeatureSet
from components.metrics.moments import Moments

ROWS = ("ids", "labels", "features", "probabilities", "digests")


def write(folder: str, name: str, **arrays: np.ndarray) -> None:
    """Write arrays as `<folder>/<name>.npz`; a repeated bundle writes the same file again."""
    buffer = io.BytesIO()
    # mypy takes the arrays of ** for the flag allow_pickle.
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    aside = posixpath.join(folder, f".{name}.tmp")
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(aside, "wb") as file:
        file.write(buffer.getvalue())
    tf.io.gfile.rename(aside, posixpath.join(folder, f"{name}.npz"), overwrite=True)


def read(path: str) -> dict[str, np.ndarray]:
    """Read what `write` wrote."""
    with tf.io.gfile.GFile(path, "rb") as file:
        content = io.BytesIO(file.read())
    with np.load(content, allow_pickle=False) as stored:
        return dict(stored)


def gather(folder: str, extractor: str) -> FeatureSet:
    """Read the rows and group statistics of one set, rows in the order of their ids.

    Args:
      folder: Where `write` put them.
      extractor: Fingerprint of the extractor that saw the images.
    """
    found = [read(path) for path in _files(folder, "rows-")]
    rows = {key: np.concatenate([part[key] for part in found]) for key in ROWS}
    order = np.argsort(rows["ids"], kind="stable")
    groups = [read(path) for path in _files(folder, "group-")]
    moments = tuple(Moments(int(g["n"]), g["mean"], g["m2"]) for g in groups)
    ordered = {key: value[order] for key, value in rows.items()}
    return FeatureSet(**ordered, groups=moments, extractor=extractor)


def _files(folder: str, prefix: str) -> list[str]:
    return sorted(tf.io.gfile.glob(posixpath.join(folder, f"{prefix}*.npz")))
