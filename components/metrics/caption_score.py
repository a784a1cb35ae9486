"""Runs the caption lines of the table of metrics over the evidence."""

from __future__ import annotations

from components import metrics
from components.metrics.caption_evidence import CaptionEvidence
from components.metrics.evidence import Score


def score_captions(evidence: CaptionEvidence) -> dict[str, Score]:
    """Compute every caption metric that applies, by name, in the order of the table."""
    found = {name: metrics.get(name)(evidence) for name in metrics.of_task("caption")}
    return {name: score for name, score in found.items() if score is not None}
