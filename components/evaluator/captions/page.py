"""The captioner's report: figures, photographs with captions, and where the model looked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.evaluator import layout
from components.evaluator.captions import pictures
from components.evaluator.captions.evaluate import Result
from components.metrics import caption_facts

HEADLINES = ("token_loss", "image_dependence", "cider_d", "bleu_4", "true_facts")
"""Figures shown large, besides those with a bound."""

HUMAN, CONSTANT = "Human", "Constant"
"""Headings of the yardsticks."""


def render(result: Result, runs: Sequence[str]) -> str:
    """Return the page as HTML text.

    Args:
      result: What was found.
      runs: Folders in which to look for training curves.
    """
    floors = {HUMAN: result.human, CONSTANT: result.constant}
    given = {heading: scores for heading, scores in floors.items() if scores}
    return layout.fill(
        "captions.html",
        result,
        runs,
        rows=layout.rows(result, given, HEADLINES),
        floor=next(iter(given), None),
        items=_items(result),
    )


def _items(result: Result) -> list[dict[str, Any]]:
    """One entry per photograph of the gallery."""
    if result.candidate is None:
        return []
    row_of = {item.id: row for row, item in enumerate(result.items)}
    found = []
    for name, image in list(result.gallery.items())[: result.settings.gallery]:
        row, picture = row_of[name], pictures.decode(image)
        item, caption = result.items[row], result.candidate.captions[row]
        looks = result.candidate.attention.get(name)
        found.append(
            {
                "id": name,
                "picture": pictures.data_uri(picture),
                "caption": caption,
                "log_prob": result.candidate.log_probs[row],
                "deployed": result.baseline.captions[row] if result.baseline else None,
                "references": item.captions,
                "facts": _facts(caption, item.facts),
                "maps": [
                    (word, pictures.data_uri(pictures.looked_at(picture, weights)))
                    for word, weights in zip(looks.words, looks.maps, strict=True)
                ]
                if looks
                else [],
            }
        )
    return found


def _facts(caption: str, facts: str | None) -> dict[str, Any] | None:
    """Count a caption's true facts, for data that know them."""
    if facts is None:
        return None
    held = [holds for _, holds in caption_facts.stated(caption, facts)]
    if not held:
        return {"good": False, "text": "no fact readable"}
    return {"good": all(held), "text": f"{sum(held)} of {len(held)} facts true"}
