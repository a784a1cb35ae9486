"""What the model itself thinks of true captions: nats per word, and whether it looks at the image.

Words are the model's own, the end token is one of them, padding is not: the figures compare only
between models of one vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from components.metrics.caption_evidence import CaptionEvidence, Losses
from components.metrics.errors import over_rows
from components.metrics.evidence import Score


def token_loss(evidence: CaptionEvidence) -> Score | None:
    """Score the nats per word of all references; None without a model."""
    return _score(evidence.losses, _loss)


def perplexity(evidence: CaptionEvidence) -> Score | None:
    """Score exp of the token loss: as unsure as between this many words; None without a model."""
    return _score(evidence.losses, lambda losses, rows: math.exp(_loss(losses, rows)))


def image_dependence(evidence: CaptionEvidence) -> Score | None:
    """Score the token loss with the right images minus that of the same words with foreign ones.

    Clearly negative for a model that looks, 0 for one that does not. The difference is taken image
    by image, so what is hard to say for any model does not blur it. None if no foreign image was
    tried.
    """
    losses = evidence.losses
    if losses is None or not losses.paired_words.any():
        return None
    return _score(losses, _difference)


def _loss(losses: Losses, rows: np.ndarray) -> float:
    return float(losses.right[rows].sum() / losses.words[rows].sum())


def _difference(losses: Losses, rows: np.ndarray) -> float:
    nats = losses.paired[rows].sum() - losses.foreign[rows].sum()
    return float(nats / losses.paired_words[rows].sum())


def _score(losses: Losses | None, figure: Callable[[Losses, np.ndarray], float]) -> Score | None:
    if losses is None:
        return None
    return over_rows(lambda rows: figure(losses, rows), len(losses.right))
