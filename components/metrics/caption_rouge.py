"""ROUGE-L (Lin, 2004) as the COCO evaluation computes it: longest common subsequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.errors import over_rows
from components.metrics.evidence import Score

BETA = 1.2
"""Weight of recall against precision."""


def rouge_l(evidence: CaptionEvidence) -> Score:
    """Score the mean over images of ROUGE-L against all references, 0 to 1."""
    pairs = zip(evidence.captions, evidence.references, strict=True)
    values = np.array([rouge(caption, references) for caption, references in pairs])
    return over_rows(lambda rows: float(values[rows].mean()), len(values))


def rouge(caption: str, references: Sequence[str]) -> float:
    """Compare one caption with its references, all of words with spaces between.

    Precision and recall are each the best over the references, as in the COCO code; an empty
    caption scores 0.
    """
    words = caption.split()
    if not words:
        return 0.0
    common = [(common_length(words, r.split()), len(r.split())) for r in references]
    precision = max(length / len(words) for length, _ in common)
    recall = max(length / of for length, of in common)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a row of the table at a time."""
    row = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for at, other in enumerate(second, 1):
            above = row[at]
            row[at] = diagonal + 1 if word == other else max(above, row[at - 1])
            diagonal = above
    return row[-1]
