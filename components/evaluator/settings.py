"""What an evaluation is asked to do: the component's `evaluation` parameter, checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from trainer.errors import UserError


class Bound(BaseModel):
    """Absolute bounds on one figure, by its full name ("fid_digits-cnn_2k"), inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    max: float | None = None
    min: float | None = None


class Evaluation(BaseModel):
    """How to sample, what to compare with and what to demand.

    Attributes:
      extractor: A packaged feature extractor, or the path of a weights file.
      samples: Images to generate, from seeds `seed_offset` to `seed_offset` + `samples` - 1;
        labels go round the classes.
      seed_offset: First seed: another one than any used to choose the model.
      reference_split: Split that distances are measured to; held out from training.
      comparison_split: Split the model was trained on, for the checks against memorisation.
      thresholds: Absolute bounds; without any, no model is blessed.
      margins: Full name -> how much worse than the baseline is allowed, as a share of its figure.
      batch_size: Seeds per Beam element; changes the speed only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    extractor: str
    samples: PositiveInt = 2000
    seed_offset: Annotated[int, Field(ge=0)] = 0
    reference_split: str = "eval"
    comparison_split: str = "train"
    thresholds: tuple[Bound, ...] = ()
    margins: dict[str, Annotated[float, Field(ge=0)]] = {}
    batch_size: PositiveInt = 250


def parse(text: str) -> Evaluation:
    """Read the settings from JSON.

    Raises:
      UserError: Not JSON, an unknown or missing field, or a value out of range.
    """
    try:
        return Evaluation.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise UserError(
            f"the evaluation settings are not usable: {where}: {first['msg']}; "
            f"fields: {', '.join(Evaluation.model_fields)}"
        ) from error
