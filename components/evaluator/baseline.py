"""Finds the model to compare a candidate with: the latest blessed one that is not the candidate.

A run whose nodes are all cached has the candidate of the run before, which is blessed by then. Were
it its own baseline, the evaluator would have a new input and run again, to compare a model with
itself; and a model would hide the one it must not be worse than. So the candidate does not count,
and an unchanged run has the same baseline as before: the model that was deployed when it was made.
"""

from __future__ import annotations

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)

CANDIDATE, MODEL, BLESSING = "candidate", "model", "model_blessing"


class LatestOtherBlessedModelStrategy(LatestBlessedModelStrategy):
    """TFX's strategy among all models but the candidate; for a `Resolver` with three inputs."""

    def resolve_artifacts(
        self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Resolve.

        Args:
          store: The metadata.
          input_dict: `candidate`, one model of this run; `model` and `model_blessing`, all there
            are.

        Returns:
          The candidate; the newest other model that was ever blessed and its blessing, or nothing
          for these two.
        """
        candidates = input_dict[CANDIDATE]
        known = {model.id for model in candidates}
        others = {
            MODEL: [model for model in input_dict[MODEL] if model.id not in known],
            BLESSING: list(input_dict[BLESSING]),
        }
        found = super().resolve_artifacts(store, others) or {MODEL: [], BLESSING: []}
        return {CANDIDATE: candidates, **found}
