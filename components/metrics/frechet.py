"""Fréchet distance of feature distributions: over all classes together and class by class."""

from __future__ import annotations

import functools

import numpy as np

from components.metrics.errors import score_of_moments
from components.metrics.evidence import Evidence, Score, group_slices
from components.metrics.moments import Moments, merge_all
from trainer.errors import UserError


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)) in squared feature units.

    The trace of the root is the sum of the roots of the eigenvalues of A^(1/2) B A^(1/2): that
    matrix is symmetric, so the result is real without a correction term (Heusel et al., 2017, for
    the distance).

    Args:
      a: Statistics of at least D + 1 vectors.
      b: The same for the other set.

    Raises:
      UserError: Too few vectors for their dimension, or dimensions that differ.
    """
    if a.mean.shape != b.mean.shape:
        raise UserError(
            f"features of {len(a.mean)} and {len(b.mean)} dimensions cannot be compared; "
            "extract both with the same extractor"
        )
    for moments in (a, b):
        check_count(moments.n, len(moments.mean))
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    product = root @ b.covariance @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    trace_of_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    delta = a.mean - b.mean
    trace = np.trace(a.covariance) + np.trace(b.covariance)
    return float(delta @ delta + trace - 2 * trace_of_root)


def check_count(count: int, dim: int, where: str = "") -> None:
    """Refuse a covariance that cannot have full rank; `where` names what gives the images.

    Raises:
      UserError: Fewer than `dim` + 1 images.
    """
    if count <= dim:
        raise UserError(
            f"{where + ': ' if where else ''}{count} images are too few for a Fréchet distance "
            f"over {dim}-dimensional features; at least {dim + 1} are needed on each side"
        )


def fid(evidence: Evidence) -> Score:
    """Score the distance between samples and held-out data, each with its own count.

    The estimate is biased upwards by about a / N_samples + b / N_reference: figures compare only
    at equal counts on both sides, which is why the name carries the count. The error is that of
    the samples; the held-out data are the same for every model.

    Raises:
      UserError: Too few images for the feature dimension.
    """
    reference = merge_all(evidence.reference.groups)
    return score_of_moments(evidence.samples.groups, functools.partial(frechet_distance, reference))


def intra_class_fid(evidence: Evidence) -> Score | None:
    """Score the mean of the distances within each class that was asked for.

    Returns:
      None without labels, or where a class has fewer than D + 1 images on either side (even with
      one jackknife group left out).
    """
    samples, reference = evidence.samples, evidence.reference
    if not samples.labelled or not reference.labelled:
        return None
    scores = []
    for label in np.unique(reference.labels):
        ours = samples.features[samples.labels == label]
        real = Moments.of(reference.features[reference.labels == label])
        groups = [Moments.of(ours[part]) for part in group_slices(len(ours))]
        dim = len(real.mean)
        if real.n <= dim or not groups or len(ours) - groups[0].n <= dim:
            return None
        scores.append(score_of_moments(groups, functools.partial(frechet_distance, real)))
    errors = np.array([score.error for score in scores])
    value = float(np.mean([score.value for score in scores]))
    return Score(value, float(np.sqrt((errors**2).sum()) / len(scores)))
