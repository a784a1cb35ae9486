"""CIDEr-D (Vedantam et al., 2015): n-grams weighted by how few images' references have them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.caption_ngrams import LONGEST, ngrams
from components.metrics.errors import over_rows
from components.metrics.evidence import Score

SIGMA = 6.0
"""Words of difference in length at which a match counts exp(-1/2)."""

SCALE = 10.0


def cider_d(evidence: CaptionEvidence) -> Score:
    """Score the mean CIDEr-D over images, 0 to 10.

    Document frequencies are those of the references evaluated here, so figures of different sets
    do not compare; on a single image it is 0, for every n-gram is in all of the references then.
    """
    scorer = Cider(evidence.references)
    values = np.array(
        [
            scorer(caption, [scorer.weigh(r) for r in references])
            for caption, references in zip(evidence.captions, evidence.references, strict=True)
        ]
    )
    return over_rows(lambda rows: float(values[rows].mean()), len(values))


class Weighed:
    """A caption's n-grams by n with their weights, the norms of these, and its length."""

    def __init__(self, grams: Counter[tuple[str, ...]], weight: _Weights) -> None:
        self.by_n: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        for gram, times in grams.items():
            self.by_n[len(gram) - 1][gram] = times * weight[gram]
        self.norms = [math.sqrt(sum(w * w for w in part.values())) for part in self.by_n]
        # In bigrams, as the COCO code measures it.
        self.length = sum(times for gram, times in grams.items() if len(gram) == 2)


class _Weights(dict[tuple[str, ...], float]):
    """Inverse document frequency of n-grams; one that no reference has counts as in one."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        frequencies = Counter(
            gram for texts in references for gram in {g for text in texts for g in ngrams(text)}
        )
        self._most = math.log(len(references))
        super().__init__({gram: self._most - math.log(n) for gram, n in frequencies.items()})

    def __missing__(self, gram: tuple[str, ...]) -> float:
        return self._most


class Cider:
    """Scores captions with the document frequencies of one set of references."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self._weights = _Weights(references)

    def weigh(self, caption: str) -> Weighed:
        """Weigh a caption of words with spaces between."""
        return Weighed(ngrams(caption), self._weights)

    def __call__(self, caption: str, references: Sequence[Weighed]) -> float:
        """Compare one caption with one image's references."""
        ours = self.weigh(caption)
        return SCALE * sum(_similarity(ours, theirs) for theirs in references) / len(references)


def _similarity(ours: Weighed, theirs: Weighed) -> float:
    """Return the mean over n of clipped cosines, times a Gaussian of the lengths' difference."""
    total = 0.0
    for n in range(LONGEST):
        norms = ours.norms[n] * theirs.norms[n]
        if norms:
            other = theirs.by_n[n]
            shared = ((w, other[gram]) for gram, w in ours.by_n[n].items() if gram in other)
            total += sum(min(w, weight) * weight for w, weight in shared) / norms
    return total / LONGEST * math.exp(-((ours.length - theirs.length) ** 2) / (2 * SIGMA**2))
