"""Typed settings of captioning: what a caption recipe's `model` and `train` sections may say."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from trainer.settings import LoopSettings, Settings, TrainerConfig


class CaptionData(Settings):
    """What the trainer must know of photographs and their captions."""

    dataset: str
    length: int = Field(ge=3, description="tokens per caption, with start and end")


class CaptionModel(Settings):
    """Which networks, and how large."""

    family: str = Field(description="a name in trainer.models.FAMILIES")
    image_size: PositiveInt = Field(64, description="side of the square that images are fitted to")


class CaptionTrain(LoopSettings):
    """Optimiser, regularisation and early stop."""

    learning_rate: float = Field(1e-3, gt=0)


class CaptionConfig(TrainerConfig):
    """What `trainer.run_fn` is told of a caption training."""

    data: CaptionData
    model: CaptionModel
    train: CaptionTrain
