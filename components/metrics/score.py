"""Runs the table of metrics over the evidence and names each figure by its protocol."""

from __future__ import annotations

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components import metrics
from components.metrics.evidence import Evidence, Score
from trainer.errors import UserError


def score_all(evidence: Evidence, extractor: str) -> dict[str, Score]:
    """Compute every metric that applies.

    Args:
      evidence: Samples, held-out and training data, all seen by the same extractor.
      extractor: The extractor's protocol name, for example "digits-cnn".

    Returns:
      Figures by full name, for example "fid_digits-cnn_2k", in the order of the table.

    Raises:
      UserError: Too few images for a metric; parts of different extractors.
    """
    dims = {part.features.shape[1] for part in (evidence.samples, evidence.reference)}
    if len(dims) > 1:
        raise UserError(
            f"features of {sorted(dims)} dimensions come from different extractors; "
            "figures of different extractors are never compared"
        )
    scores = {}
    # Threads of the linear algebra library spin: on a busy machine they cost these small matrices
    # twenty times what they save.
    with threadpool_limits(1, "blas"):
        for name in metrics.of_task("image"):
            score = metrics.get(name)(evidence)
            if score is not None:
                scores[metrics.full_name(name, extractor, len(evidence.samples))] = score
    return scores
