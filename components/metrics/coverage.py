"""Precision and recall: do samples look real, and do they reach all of the real data?"""

from __future__ import annotations

from components.metrics.errors import share
from components.metrics.evidence import Evidence, Score, radii
from components.metrics.neighbours import inside_any_ball


def precision(evidence: Evidence) -> Score:
    """Score the share of samples inside the union of the held-out data's balls."""
    return share(
        inside_any_ball(
            evidence.samples.features, evidence.reference.features, evidence.among_real.radii
        )
    )


def recall(evidence: Evidence) -> Score:
    """Score the share of held-out data inside the union of the samples' balls."""
    return share(
        inside_any_ball(
            evidence.reference.features, evidence.samples.features, radii(evidence.samples)
        )
    )
