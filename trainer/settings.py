"""Typed settings that every training has: budget, data, and what `trainer.run_fn` is told.

What a recipe's `model` and `train` sections may say besides is in `gan_settings` and
`caption_settings`. Light on purpose (no TensorFlow): the command line checks recipes with these.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt


class Settings(BaseModel):
    """Base of every settings section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoopSettings(Settings):
    """Budget of the training loop, how often things are written, and switches of the machine."""

    steps: PositiveInt = Field(description="updates in all")
    batch_size: PositiveInt = 32
    steps_per_call: PositiveInt = Field(25, description="steps inside one graph call")
    sheet_every: PositiveInt = Field(500, description="steps between two fixed-noise sheets")
    checkpoint_every: PositiveInt = Field(500, description="steps between two checkpoints")
    validate_every: NonNegativeInt = Field(
        0, description="steps between two looks at held-out data; the best is kept; 0: never"
    )
    patience: NonNegativeInt = Field(
        0, description="stop after this many looks without a better one; 0: never"
    )
    seed: int = 0
    deterministic: bool = Field(False, description="the same bits every time, somewhat slower")
    jit: bool = Field(False, description="compile the step with XLA; on a CPU 0.6 times as fast")
    mixed_precision: bool = Field(
        False, description="compute in bfloat16; on a CPU 0.9 times as fast"
    )
    on_change: Literal["refuse", "restart", "continue"] = Field(
        "refuse", description="what to do with unfinished training of other settings"
    )
    mirrored: bool = Field(False, description="share each batch among all devices of this machine")


class DataSettings(Settings):
    """What the trainer must know of the data: the shape of an item and its classes."""

    dataset: str
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    label_names: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes; 0 when the data have none."""
        return len(self.label_names)


class TrainerConfig(Settings):
    """All that `trainer.run_fn` is told; travels as JSON in the Trainer's `custom_config`.

    Tasks narrow the types of `data`, `model` and `train`.
    """

    data: Any
    model: Any
    train: Any

    checkpoint_root: str = Field(description="folder that outlives single runs")
    code: str = Field("", description="fingerprint of this code: an edit trains anew")
    recipe: str = Field("", description="the whole resolved recipe as YAML, stored with the model")
