"""Typed settings of adversarial training: what an image recipe's `model` and `train` may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from trainer.settings import DataSettings, LoopSettings, Settings, TrainerConfig

Labels = Literal["projection", "concatenation", "embedding", "number"]

WITH_TARGETS = ("least_squares", "minimax", "non_saturating")
"""Losses that compare the discriminator's output with a target, which can be softened."""


class GanModel(Settings):
    """Which networks, and how large."""

    family: str = Field(description="a name in trainer.models.FAMILIES")
    latent_size: PositiveInt = Field(64, description="length of the noise vector")
    generator_channels: tuple[PositiveInt, ...] = Field(
        (64, 48, 16), min_length=1, description="feature maps from the smallest grid up"
    )
    discriminator_channels: tuple[PositiveInt, ...] = Field(
        (32, 64, 128), min_length=1, description="feature maps from the image down"
    )
    labels: Labels = Field("projection", description="how a conditional family tells the class")
    dropout: float = Field(0.0, ge=0, lt=1, description="share dropped in the discriminator")
    spectral_norm: bool = Field(False, description="bound every discriminator layer's norm by one")
    minibatch_group: int = Field(
        0, ge=0, description="images whose spread the discriminator sees together; 0: each alone"
    )


class Watch(Settings):
    """When a training is given up as diverged or collapsed; each bound 0: not watched."""

    loss_bound: float = Field(1e4, ge=0, description="largest absolute loss")
    diversity: float = Field(
        0.02, ge=0, lt=1, description="least spread of samples, as a share of the real data's"
    )
    stuck_steps: int = Field(
        0, ge=0, description="steps in which the discriminator may be right on every image"
    )
    patience: PositiveInt = Field(20, description="looks in a row with too little diversity")


class GanTrain(LoopSettings):
    """Optimisers, losses and stabilisers."""

    generator_learning_rate: float = Field(2e-3, gt=0)
    discriminator_learning_rate: float = Field(2e-3, gt=0)
    beta_1: float = Field(0.0, ge=0, lt=1)
    beta_2: float = Field(0.99, ge=0, lt=1)
    loss: Literal["hinge", "least_squares", "minimax", "non_saturating", "wasserstein"] = "hinge"
    update: Literal["alternating", "simultaneous"] = Field(
        "alternating", description="simultaneous: both networks learn from one pass, a third less"
    )
    discriminator_steps: PositiveInt = Field(1, description="updates per generator update")
    r1_gamma: float = Field(0.0, ge=0, description="gradient penalty on real images; 0: none")
    r1_interval: PositiveInt = Field(16, description="steps between two lazy R1 penalties")
    gradient_penalty: float = Field(
        0.0, ge=0, description="penalty between real and generated images; 10 with wasserstein"
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="real images' target is this much below one"
    )
    soft_labels: float = Field(
        0.0, ge=0, lt=0.5, description="both targets are moved inwards by up to this, at random"
    )
    clip_value: float = Field(0.0, ge=0, description="bound of each gradient value; 0: none")
    clip_norm: float = Field(0.0, ge=0, description="bound of all gradients' norm; 0: none")
    translation: int = Field(
        0, ge=0, description="pixels of random shift on real and generated images alike"
    )
    cutout: float = Field(0.0, ge=0, lt=1, description="side of a blanked square, share of image")
    colour: bool = Field(False, description="random brightness, saturation and contrast")
    ema_half_life: PositiveInt = Field(
        20_000, description="images after which an old weight counts half in the average"
    )
    warm_start: bool = Field(False, description="begin with the networks of the deployed model")
    watch: Watch = Watch()

    @model_validator(mode="after")
    def _fit_together(self) -> GanTrain:
        """Refuse options that would silently do nothing or not work together."""
        if self.loss == "wasserstein" and not self.gradient_penalty:
            raise ValueError("loss wasserstein needs gradient_penalty; 10 is its paper's")
        if (self.label_smoothing or self.soft_labels) and self.loss not in WITH_TARGETS:
            raise ValueError(
                f"loss {self.loss} has no targets for label_smoothing and soft_labels; "
                f"these have: {', '.join(WITH_TARGETS)}"
            )
        if self.update == "simultaneous" and self.discriminator_steps > 1:
            raise ValueError("update simultaneous allows one of discriminator_steps only")
        if self.clip_value and self.clip_norm:
            raise ValueError("give clip_value or clip_norm, not both")
        return self


class GanConfig(TrainerConfig):
    """What `trainer.run_fn` is told of an adversarial training."""

    data: DataSettings
    model: GanModel
    train: GanTrain

    scorer: str = Field("", description="'module:class' that scores samples while training")
    extractor: str = Field("", description="feature extractor the scorer uses")

    @model_validator(mode="after")
    def _whole_groups(self) -> GanConfig:
        group, batch = self.model.minibatch_group, self.train.batch_size
        if group and batch % group:
            raise ValueError(
                f"train.batch_size is {batch} and model.minibatch_group {group}: "
                f"give a batch that is a multiple of {group}"
            )
        return self
