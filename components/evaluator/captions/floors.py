"""Yardsticks without a model: how people do against each other, and one sentence for all images."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from components.evaluator.captions.examples import Item
from components.metrics.caption_cider import Cider
from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.caption_score import score_captions
from components.metrics.evidence import Score

SEARCHED_ITEMS = 500
"""Training images that the constant caption is chosen on."""

CANDIDATES = 10
"""Captions compared exactly, out of all training captions."""


def human(items: Sequence[Item], train: frozenset[str]) -> dict[str, Score]:
    """Score each image's first caption against its others; empty where no image has two.

    A model is scored against all captions of an image, so it has one reference more.
    """
    left = [item for item in items if len(item.references) > 1]
    if not left:
        return {}
    return score_captions(
        CaptionEvidence(
            captions=tuple(item.references[0] for item in left),
            references=tuple(item.references[1:] for item in left),
            train=train,
            raw=tuple(item.captions[0] for item in left),
            facts=tuple(item.facts for item in left),
        )
    )


def constant(items: Sequence[Item], train: frozenset[str], caption: str) -> dict[str, Score]:
    """Score one caption given to every image."""
    return score_captions(
        CaptionEvidence(
            captions=(caption,) * len(items),
            references=tuple(item.references for item in items),
            train=train,
            raw=(caption,) * len(items),
            facts=tuple(item.facts for item in items),
        )
    )


def best_constant(train: Sequence[Sequence[str]]) -> str:
    """Choose the training caption that does best on all training images by CIDEr-D.

    Candidates are ranked by the cosine of their weighted n-grams with the mean of all captions',
    which is CIDEr without clipping and lengths; the best ones are then compared exactly.

    Args:
      train: Each training image's captions, as words with spaces between.

    Returns:
      One of them; the first in alphabetical order among equals.
    """
    if len(train) > SEARCHED_ITEMS:
        chosen = np.random.default_rng(0).choice(len(train), SEARCHED_ITEMS, replace=False)
        train = [train[row] for row in sorted(chosen.tolist())]
    scorer = Cider(train)
    references = [[scorer.weigh(text) for text in texts] for texts in train]
    mean: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for weighed in (w for texts in references for w in texts):
        for grams, norm in zip(weighed.by_n, weighed.norms, strict=True):
            for gram, weight in grams.items():
                mean[gram] += weight / (norm or 1.0)
    ranks = Counter(
        {
            text: sum(
                sum(weight * mean[gram] for gram, weight in grams.items()) / (norm or 1.0)
                for grams, norm in zip(weighed.by_n, weighed.norms, strict=True)
            )
            for text in sorted({text for texts in train for text in texts})
            for weighed in [scorer.weigh(text)]
        }
    )
    candidates = sorted(text for text, _ in ranks.most_common(CANDIDATES))
    return max(candidates, key=lambda text: sum(scorer(text, texts) for texts in references))
