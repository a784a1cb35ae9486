"""What caption metrics look at: generated captions, references, training captions, losses."""

from __future__ import annotations

import dataclasses

import numpy as np


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
