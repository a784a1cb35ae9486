"""What real data a model is compared with: the part of an evaluation that no model changes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt


class ReferenceSettings(BaseModel):
    """Which data, seen by which extractor; the fields are those of `evaluator.settings.Evaluation`.

    Attributes:
      extractor: As in `metrics.extractors`.
      samples: Images that models are asked for: real data are scored with as many.
      reference_split: Held-out split that distances are measured to.
      comparison_split: Split that models learn from.
      batch_size: Images per call of the extractor; changes the speed only.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    extractor: str
    samples: PositiveInt
    reference_split: str
    comparison_split: str
    batch_size: PositiveInt

    @classmethod
    def of(cls, evaluation: Any) -> ReferenceSettings:
        """Take what an evaluation of images says about them."""
        return cls.model_validate(evaluation)
