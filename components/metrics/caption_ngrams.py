"""BLEU (Papineni et al., 2002) as the COCO evaluation counts it, over the whole set of captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.errors import over_rows
from components.metrics.evidence import Score

LONGEST = 4
_TINY, _SMALL = 1e-15, 1e-9
"""The COCO code's guards against a logarithm of zero: too small to move any other figure."""


def ngrams(caption: str, longest: int = LONGEST) -> Counter[tuple[str, ...]]:
    """Count the n-grams of 1 to `longest` words in a caption of words with spaces between."""
    words = caption.split()
    return Counter(
        tuple(words[at : at + n]) for n in range(1, longest + 1) for at in range(len(words) - n + 1)
    )


def counts(caption: str, references: Sequence[str]) -> np.ndarray:
    """Count what BLEU adds up over images.

    Args:
      caption: Words with spaces between.
      references: One or more, likewise.

    Returns:
      int64[2 + 2 * LONGEST]: words of the caption; words of the reference closest in length, the
      shorter of two; then, by n, n-grams that some reference has as often; then all n-grams.
    """
    length = len(caption.split())
    closest = min((len(r.split()) for r in references), key=lambda n: (abs(n - length), n))
    most: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        most |= ngrams(reference)
    matched, every = np.zeros(LONGEST, np.int64), np.zeros(LONGEST, np.int64)
    for gram, times in ngrams(caption).items():
        matched[len(gram) - 1] += min(times, most[gram])
        every[len(gram) - 1] += times
    return np.concatenate([[length, closest], matched, every])


def bleu(total: np.ndarray, n: int) -> float:
    """Return BLEU-n of summed `counts`: brevity penalty times the geometric mean of precisions."""
    length, closest = total[:2]
    matched, every = total[2 : 2 + LONGEST], total[2 + LONGEST :]
    precisions = (matched[:n] + _TINY) / (every[:n] + _SMALL)
    ratio = (length + _TINY) / (closest + _SMALL)
    penalty = np.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return float(np.prod(precisions) ** (1 / n) * penalty)


def _scorer(n: int) -> Callable[[CaptionEvidence], Score]:
    def score(evidence: CaptionEvidence) -> Score:
        pairs = zip(evidence.captions, evidence.references, strict=True)
        table = np.stack([counts(caption, references) for caption, references in pairs])
        return over_rows(lambda rows: bleu(table[rows].sum(axis=0), n), len(table))

    score.__doc__ = f"Score corpus BLEU-{n} against the references, 0 to 1."
    return score


bleu_1, bleu_2, bleu_3, bleu_4 = (_scorer(n) for n in range(1, LONGEST + 1))
