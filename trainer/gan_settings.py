"""Typed settings of adversarial training: what an image recipe's `model` and `train` may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from trainer.settings import DataSettings, LoopSettings, Settings, TrainerConfig


class GanModel(Settings):
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


class GanTrain(LoopSettings):
    """Optimisers, losses and stabilisers."""

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


class GanConfig(TrainerConfig):
    """What `trainer.run_fn` is told of an adversarial training."""

    data: DataSettings
    model: GanModel
    train: GanTrain
