"""What data must keep to, and which anomalies stop a run: a recipe's `checks` section."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["corrupt", "schema", "captions", "balance", "duplicates", "skew", "drift"]
"""What can be wrong with data.

  corrupt: a record that nothing can learn from (image, label, captions or id unusable); set aside
  schema: an empty split, or a feature or statistic that the reviewed schema does not allow
  captions: empty captions, too many or too few, too long or too short
  balance: classes of very different size
  duplicates: the same picture in two splits
  skew: the other splits differ from the training split
  drift: a split differs from what it was when it was last accepted
"""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Checks(BaseModel):
    """Bounds, and the kinds of anomaly that stop a run; the others are only reported.

    Distances are measured beyond what chance explains; see `components.data_check.compare`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stop_on: tuple[Kind, ...] = Field(
        KINDS, description="kinds of anomaly that stop the run: " + ", ".join(KINDS)
    )
    corrupt_share: float = Field(
        0.0, ge=0, le=1, description="share of a split's records that may be corrupt"
    )
    caption_share: float = Field(
        0.0, ge=0, le=1, description="share of a split's records that may break caption bounds"
    )
    duplicate_share: float = Field(
        0.001, ge=0, le=1, description="share of a split's pictures that another split may hold"
    )
    class_ratio: float = Field(10.0, ge=1, description="largest class over smallest, at most")
    label_distance: float = Field(0.1, gt=0, description="largest change of a class's share")
    pixel_distance: float = Field(
        10.0, gt=0, description="change of pixel mean or standard deviation, in steps of 255"
    )
    value_distance: float = Field(
        0.2, gt=0, description="change of numbers' mean or deviation, in standard deviations"
    )
    caption_length_distance: float = Field(2.0, gt=0, description="change of mean words")
    new_words_share: float = Field(0.1, gt=0, le=1, description="share of words never seen before")
