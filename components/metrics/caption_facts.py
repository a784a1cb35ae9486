"""Are captions true? For data that say what is in the image, every claim is checked against it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.datasets.scene_language import (
    Counted,
    Fact,
    Noun,
    Present,
    Related,
    Together,
    judge,
)
from components.datasets.scene_world import Scene
from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.errors import over_rows
from components.metrics.evidence import Score


def true_facts(evidence: CaptionEvidence) -> Score | None:
    """Score the share of stated facts that are true; None for data without known facts.

    A caption from which nothing can be read counts as one false fact: nonsense must not raise the
    share by stating less.
    """
    return _share(evidence, lambda fact: True, unread=1)


def true_objects(evidence: CaptionEvidence) -> Score | None:
    """Score the facts that only say what is there, or how many; None if none was stated."""
    return _share(evidence, lambda fact: not _placed(fact))


def true_colours(evidence: CaptionEvidence) -> Score | None:
    """Score the facts that name a colour; None if none was stated."""
    return _share(evidence, lambda fact: any(noun.colour for noun in _nouns(fact)))


def true_relations(evidence: CaptionEvidence) -> Score | None:
    """Score the facts that say where a shape is, alone or to another; None if none was stated."""
    return _share(evidence, _placed)


def stated(caption: str, facts: str) -> tuple[tuple[Fact, bool], ...]:
    """Return what a caption claims and whether it is true, given the facts that an example stores.

    Empty for a caption from which nothing can be read.
    """
    return judge(caption, Scene.from_json(facts))


def _share(
    evidence: CaptionEvidence, concerns: Callable[[Fact], bool], unread: int = 0
) -> Score | None:
    """Score true over stated facts; `unread` false ones for a caption without any."""
    if not evidence.facts or None in evidence.facts:
        return None
    rows = []
    for caption, facts in zip(evidence.raw, evidence.facts, strict=True):
        found = stated(caption, facts or "")
        held = [holds for fact, holds in found if concerns(fact)]
        rows.append((sum(held), len(held) if found else unread))
    table = np.array(rows)
    if not table[:, 1].any():
        return None

    def figure(rows: np.ndarray) -> float:
        right, stated = table[rows].sum(axis=0)
        return float(right / stated) if stated else 0.0

    return over_rows(figure, len(table))


def _placed(fact: Fact) -> bool:
    return isinstance(fact, Related) or (isinstance(fact, Present) and fact.place is not None)


def _nouns(fact: Fact) -> tuple[Noun, ...]:
    match fact:
        case Present(noun=noun) | Counted(noun=noun):
            return (noun,)
        case Together(nouns=nouns):
            return nouns
        case Related(first=first, second=second):
            return first, second
    return ()
