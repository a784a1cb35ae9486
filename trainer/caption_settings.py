"""Typed settings of captioning: what a caption recipe's `model` and `train` sections may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from trainer.settings import LoopSettings, Settings, TrainerConfig

Encoder = Literal["cnn", "efficientnet_b0", "efficientnet_b3", "inception_v3", "resnet_50"]


class CaptionData(Settings):
    """What the trainer must know of photographs and their captions."""

    dataset: str
    length: int = Field(ge=3, description="tokens per caption, with start and end")
    min_count: PositiveInt = Field(1, description="rarer words became the unknown token")


class CaptionModel(Settings):
    """Which networks, how large, and how sentences are searched for."""

    family: str = Field(description="a name in trainer.models.FAMILIES")
    image_size: PositiveInt = Field(64, description="side of the square that images are fitted to")
    encoder: Encoder = Field("cnn", description="cnn learns from scratch; others: keras backbones")
    encoder_channels: tuple[PositiveInt, ...] = Field(
        (32, 64, 128, 128), min_length=2, description="cnn: all but the last halve the grid"
    )
    encoder_weights: str = Field(
        "imagenet", description="backbones: 'imagenet', 'random' or the path of a weights file"
    )
    fine_tune: bool = Field(False, description="backbones: learn too; false: frozen")
    cache_features: bool = Field(
        False, description="frozen backbones: run once over all images, as a node of its own"
    )
    width: PositiveInt = Field(128, description="features per grid position and per word")
    units: PositiveInt = Field(256, description="GRU state, or inner width of a feed-forward layer")
    blocks: PositiveInt = Field(2, description="transformer: decoder blocks")
    heads: PositiveInt = Field(4, description="transformer: attention heads; divides width")
    beam_width: PositiveInt = Field(5, description="hypotheses kept while searching; 1: greedy")
    length_penalty: float = Field(
        0.0, ge=0, le=2, description="log probability is divided by tokens to this power"
    )


class CaptionTrain(LoopSettings):
    """Optimiser, regularisation and what a step sees."""

    learning_rate: float = Field(1e-3, gt=0, description="the highest, after warm-up")
    warmup_steps: NonNegativeInt = Field(100, description="steps of linear rise; then a cosine")
    weight_decay: float = Field(0.0, ge=0, description="decoupled, per step")
    clip_norm: float = Field(1.0, gt=0, description="largest norm of all gradients together")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    captions_per_image: PositiveInt = Field(
        1, description="captions of an image that one step learns; another draw every epoch"
    )
    validation_images: PositiveInt = Field(2000, description="held-out images scored, at most")


class CaptionConfig(TrainerConfig):
    """What `trainer.run_fn` is told of a caption training."""

    data: CaptionData
    model: CaptionModel
    train: CaptionTrain
