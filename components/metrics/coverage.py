"""Precision and recall: do samples look real, and do they reach all of the real data?"""

from __future__ import annotations

import numpy as np

from components.metrics.errors import share
from components.metrics.evidence import Evidence, FeatureSet, Score
from components.metrics.neighbours import inside_any_ball, nearest

NEIGHBOURS = 3
"""k of Kynkäänniemi et al. (2019): a vector's ball reaches to its k-th nearest neighbour."""


def precision(evidence: Evidence) -> Score:
    """Score the share of samples inside the union of the held-out data's balls."""
    return share(_inside(evidence.samples, evidence.reference))


def recall(evidence: Evidence) -> Score:
    """Score the share of held-out data inside the union of the samples' balls."""
    return share(_inside(evidence.reference, evidence.samples))


def _inside(queries: FeatureSet, manifold: FeatureSet) -> np.ndarray:
    distances, _ = nearest(manifold.features, manifold.features, NEIGHBOURS, skip_self=True)
    return inside_any_ball(queries.features, manifold.features, distances[:, -1])
