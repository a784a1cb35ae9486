"""What a recipe says about approval by a person."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Approve(BaseModel):
    """Whether a person must approve a blessed model before it is pushed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    required: bool = Field(False, description="wait for `genvision approve` before the push")
    hours: float = Field(24.0, gt=0, description="after that the run ends without a push")
    key_file: str | None = Field(
        None, description="secret that approvals must be signed with; null: no signature"
    )
