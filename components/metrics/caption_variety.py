"""How much a captioner has to say: different n-grams, and sentences it was never shown."""

from __future__ import annotations

import numpy as np

from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.errors import over_rows, share
from components.metrics.evidence import Score


def distinct_1(evidence: CaptionEvidence) -> Score:
    """Score the different words among all words of all captions (Li et al., 2016), 0 to 1."""
    return _distinct(evidence, 1)


def distinct_2(evidence: CaptionEvidence) -> Score:
    """Score the different pairs of neighbours among all pairs of all captions, 0 to 1."""
    return _distinct(evidence, 2)


def novel_share(evidence: CaptionEvidence) -> Score | None:
    """Score the share of captions that no training caption equals; None without training data."""
    if not evidence.train:
        return None
    return share(np.array([caption not in evidence.train for caption in evidence.captions]))


def _distinct(evidence: CaptionEvidence, n: int) -> Score:
    grams = []
    for words in (caption.split() for caption in evidence.captions):
        grams.append([tuple(words[at : at + n]) for at in range(len(words) - n + 1)])

    def figure(rows: np.ndarray) -> float:
        chosen = [gram for row in rows.tolist() for gram in grams[row]]
        return len(set(chosen)) / len(chosen) if chosen else 0.0

    return over_rows(figure, len(grams))
