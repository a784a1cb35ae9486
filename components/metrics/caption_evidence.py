"""What caption metrics look at: generated captions, references, training captions, losses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from components.metrics.errors import jackknife
from components.metrics.evidence import Score, group_slices

NEGLIGIBLE = 1e-9
"""Errors below are rounding, not a spread between images."""


@dataclasses.dataclass(frozen=True)
class Losses:
    """What the model's signature `score` said about the references of N images, float64[N] each.

    Attributes:
      right: Nats of all references of an image, given that image.
      words: How many words and end tokens these are.
      paired: Nats of the references that foreign images were tried with, given the right image.
      foreign: Nats of the same references, given the foreign images.
      paired_words: How many words and end tokens these are; zeros if none was tried.
    """

    right: np.ndarray
    words: np.ndarray
    paired: np.ndarray
    foreign: np.ndarray
    paired_words: np.ndarray


@dataclasses.dataclass(frozen=True)
class CaptionEvidence:
    """All that a caption metric may use; captions are words with one space between.

    Attributes:
      captions: N generated captions, as `caption_tokens.tokenize` cut them.
      references: N times one or more true captions, cut likewise.
      train: Captions that the model has learned from, cut likewise.
      raw: N generated captions as they came.
      facts: N times what is known to be true of the image, as the example stores it; None where
        nothing is.
      losses: None where no model is behind the captions.
    """

    captions: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    train: frozenset[str] = frozenset()
    raw: tuple[str, ...] = ()
    facts: tuple[str | None, ...] = ()
    losses: Losses | None = None


def over_images(figure: Callable[[np.ndarray], float], count: int) -> Score:
    """Score a figure of images; the error is that of drawing other images like these.

    Args:
      figure: Maps rows, int64[M] in 0..count-1, to the figure of these images alone.
      count: Number of images.

    Returns:
      The figure of all with its delete-a-group jackknife error (0 for a single image).
    """
    rows = np.arange(count)
    if count < 2:
        return Score(figure(rows), 0.0)
    left_out = [figure(np.delete(rows, part)) for part in group_slices(count)]
    error = jackknife(left_out)
    return Score(figure(rows), error if error > NEGLIGIBLE else 0.0)
