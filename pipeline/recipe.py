"""The typed form of a recipe: every value a run depends on, with its type, default and meaning."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from components.evaluator.settings import Evaluation
from trainer.settings import ModelSettings, Settings, TrainSettings


class Data(Settings):
    """Which records, from which splits."""

    dataset: str = Field(description="a name in components.datasets.DATASETS")
    train: str = Field("train", description="TFDS split expression, for example train[:90%]")
    eval: str = Field("test", description="TFDS split expression of the held-out records")
    limit: PositiveInt | None = Field(None, description="records per split at most; null: all")


class Push(Settings):
    """Where an accepted model goes."""

    model_name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name clients ask for"
    )


class Beam(Settings):
    """How Beam runs."""

    args: tuple[str, ...] = Field((), description="Beam pipeline options")


class Recipe(Settings):
    """Everything about a run."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="also the pipeline's name")
    description: str
    data: Data
    model: ModelSettings
    train: TrainSettings
    evaluate: Evaluation
    push: Push
    beam: Beam = Beam()
    cache: bool = Field(
        True, description="reuse a node's outputs when nothing it depends on changed"
    )
