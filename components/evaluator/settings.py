"""What an evaluation is asked to do: the component's `evaluation` parameter, checked."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from trainer.errors import UserError


class Bound(BaseModel):
    """Absolute bounds on one figure, by its full name ("fid_digits-cnn_2k"), inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    metric: str
    max: float | None = None
    min: float | None = None


class Evaluation(BaseModel):
    """How to sample images, what to compare them with and what to demand.

    Attributes:
      task: What the model makes.
      extractor: A packaged feature extractor, the path of a weights file, or `inception:` and the
        path of pytorch-fid's weights.
      samples: Images to generate, from seeds `seed_offset` to `seed_offset` + `samples` - 1;
        labels go round the classes.
      seed_offset: First seed: another one than any used to choose the model.
      reference_split: Split that distances are measured to; held out from training.
      comparison_split: Split the model was trained on, for the checks against memorisation.
      thresholds: Absolute bounds; without any, no model is blessed.
      margins: Name, with or without its protocol ("fid") -> how much worse than the baseline is
        allowed, as a share of its figure.
      batch_size: Seeds per Beam element; changes the speed only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["image"] = "image"
    extractor: str
    samples: PositiveInt = 2000
    seed_offset: Annotated[int, Field(ge=0)] = 0
    reference_split: str = "eval"
    comparison_split: str = "train"
    thresholds: tuple[Bound, ...] = ()
    margins: dict[str, Annotated[float, Field(ge=0)]] = {}
    batch_size: PositiveInt = 250


class CaptionEvaluation(BaseModel):
    """Which held-out images to caption, and what to demand of the captions.

    Attributes:
      task: What the model makes.
      limit: Held-out images to caption at most, chosen by a hash of their ids; None: all.
      permutations: Foreign images that each caption's loss is also measured with, for
        `image_dependence`; 0 leaves that figure out.
      seed: Decides which foreign images.
      reference_split: Split to caption; held out from training.
      comparison_split: Split the model was trained on: which captions are new, which constant
        caption is best.
      thresholds: Absolute bounds; without any, no model is blessed.
      margins: Name -> how much worse than the baseline is allowed, as a share of its figure. Token
        loss and perplexity compare only while the vocabulary stays the same; CIDEr-D always.
      batch_size: Images per call of the model; changes the speed only.
      gallery: Images the report shows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["caption"] = "caption"
    limit: Annotated[int, Field(ge=2)] | None = None
    permutations: Annotated[int, Field(ge=0)] = 2
    seed: Annotated[int, Field(ge=0)] = 0
    reference_split: str = "eval"
    comparison_split: str = "train"
    thresholds: tuple[Bound, ...] = ()
    margins: dict[str, Annotated[float, Field(ge=0)]] = {}
    batch_size: PositiveInt = 16
    gallery: PositiveInt = 12


class ValueEvaluation(BaseModel):
    """How to sample single numbers, and what to demand of them.

    Attributes:
      task: What the model makes.
      samples: Numbers to generate, from seeds `seed_offset` to `seed_offset` + `samples` - 1;
        labels go round the classes.
      seed_offset: First seed.
      reference_split: Split whose numbers they are compared with; held out from training.
      comparison_split: Split the model was trained on: what real numbers score, for comparison.
      thresholds: Absolute bounds; without any, no model is blessed.
      margins: Name -> how much worse than the baseline is allowed, as a share of its figure.
      batch_size: Seeds per Beam element; changes the speed only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    task: Literal["value"] = "value"
    samples: Annotated[int, Field(ge=100)] = 10_000
    seed_offset: Annotated[int, Field(ge=0)] = 0
    reference_split: str = "eval"
    comparison_split: str = "train"
    thresholds: tuple[Bound, ...] = ()
    margins: dict[str, Annotated[float, Field(ge=0)]] = {}
    batch_size: PositiveInt = 1000


AnyEvaluation = Evaluation | CaptionEvaluation | ValueEvaluation

KINDS: dict[object, type[AnyEvaluation]] = {
    "caption": CaptionEvaluation,
    "value": ValueEvaluation,
}
"""Settings by task; all others are about images."""


def parse(text: str) -> AnyEvaluation:
    """Read the settings from JSON; `task` says which they are, images where it is not given.

    Raises:
      UserError: Not JSON, an unknown or missing field, or a value out of range.
    """
    kind = KINDS.get(_task(text), Evaluation)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise UserError(
            f"the evaluation settings are not usable: {where}: {first['msg']}; "
            f"fields: {', '.join(kind.model_fields)}"
        ) from error


def _task(text: str) -> object:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content.get("task") if isinstance(content, dict) else None
