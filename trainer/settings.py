"""Typed settings of a training run: what a recipe's `model` and `train` sections may say.

Light on purpose (no TensorFlow): the command line checks recipes with these types.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


class Settings(BaseModel):
    """Base of every settings section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSettings(Settings):
    """Which networks, and how large."""

    family: str = Field(description="a name in trainer.models.FAMILIES")
    latent_size: PositiveInt = Field(64, description="length of the noise vector")
    generator_channels: tuple[PositiveInt, ...] = Field(
        (64, 48, 16), min_length=2, description="feature maps from the smallest grid up"
    )
    discriminator_channels: tuple[PositiveInt, ...] = Field(
        (32, 64, 128), min_length=2, description="feature maps from the image down"
    )
    spectral_norm: bool = Field(False, description="bound every discriminator layer's norm by one")


class TrainSettings(Settings):
    """Budget, optimisers, losses, stabilisers and how often things are written."""

    steps: PositiveInt = Field(description="generator updates in all")
    batch_size: PositiveInt = 32
    generator_learning_rate: float = Field(2e-3, gt=0)
    discriminator_learning_rate: float = Field(2e-3, gt=0)
    beta_1: float = Field(0.0, ge=0, lt=1)
    beta_2: float = Field(0.99, ge=0, lt=1)
    loss: Literal["hinge", "least_squares", "minimax", "non_saturating"] = "hinge"
    discriminator_steps: PositiveInt = Field(1, description="updates per generator update")
    r1_gamma: float = Field(0.0, ge=0, description="gradient penalty on real images; 0: none")
    r1_interval: PositiveInt = Field(16, description="steps between two lazy R1 penalties")
    translation: int = Field(
        0, ge=0, description="pixels of random shift on real and generated images alike"
    )
    ema_half_life: PositiveInt = Field(
        20_000, description="images after which an old weight counts half in the average"
    )
    steps_per_call: PositiveInt = Field(25, description="steps inside one graph call")
    sheet_every: PositiveInt = Field(500, description="steps between two fixed-noise sheets")
    checkpoint_every: PositiveInt = Field(500, description="steps between two checkpoints")
    seed: int = 0


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
    """All that `trainer.run_fn` is told; travels as JSON in the Trainer's `custom_config`."""

    data: DataSettings
    model: ModelSettings
    train: TrainSettings
    checkpoint_root: str = Field(description="folder that outlives single runs")
    code: str = Field("", description="fingerprint of this code: an edit trains anew")
    recipe: str = Field("", description="the whole resolved recipe as YAML, stored with the model")
