"""The typed form of a recipe: every value a run depends on, with its type, default and meaning."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveInt

from components.approval.settings import Approve
from components.data_check.settings import Checks
from components.datasets.base import Source
from components.evaluator.settings import (
    AnyEvaluation,
    CaptionEvaluation,
    Evaluation,
    ValueEvaluation,
)
from pipeline.kubernetes import Kubernetes
from trainer.caption_settings import CaptionModel, CaptionTrain
from trainer.gan_settings import GanModel, GanTrain
from trainer.models import Task
from trainer.settings import Settings


class Data(Settings):
    """Which records, from which splits."""

    dataset: str = Field(description="a name in components.datasets.DATASETS")
    train: str = Field("train", description="TFDS split expression, for example train[:90%]")
    eval: str = Field("test", description="TFDS split expression of the held-out records")
    limit: PositiveInt | None = Field(None, description="records per split at most; null: all")
    folder: str | None = Field(None, description="your own folder, for image_folder, coco_folder")
    size: PositiveInt | None = Field(None, description="training records to make, for scenes")
    seed: NonNegativeInt | None = Field(None, description="seed of made records, for scenes")
    image_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="height, width, channels of all images of your own folder"
    )

    @property
    def source(self) -> Source:
        """What is said of the records beyond their data set's name."""
        return Source(self.folder, self.size, self.seed, self.image_shape)


class Captions(Settings):
    """How captions become tokens; for data sets that have captions."""

    length: int = Field(24, ge=3, description="tokens per caption, with start and end")
    min_count: PositiveInt = Field(1, description="rarer words become the unknown token")


class Push(Settings):
    """Where an accepted model goes."""

    model_name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name clients ask for"
    )


class Track(Settings):
    """Where runs are recorded besides ML Metadata."""

    mlflow: str | None = Field(None, description="MLflow tracking server, http://...; null: none")
    experiment: str | None = Field(None, description="MLflow experiment; null: the recipe's name")


class Beam(Settings):
    """How Beam runs."""

    args: tuple[str, ...] = Field((), description="Beam pipeline options")


class Recipe(Settings):
    """Everything about a run; the subclasses narrow what depends on its task."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="also the pipeline's name")
    description: str
    data: Data
    checks: Checks = Checks()
    model: GanModel | CaptionModel
    train: GanTrain | CaptionTrain
    evaluate: AnyEvaluation
    approve: Approve = Approve()
    push: Push
    track: Track = Track()
    beam: Beam = Beam()
    kubernetes: Kubernetes = Kubernetes()
    cache: bool = Field(
        True, description="reuse a node's outputs when nothing it depends on changed"
    )

    @property
    def warm_start(self) -> bool:
        """Whether training begins with the deployed model's networks."""
        return isinstance(self.train, GanTrain) and self.train.warm_start


class ImageRecipe(Recipe):
    """A run that trains a generator of images."""

    model: GanModel
    train: GanTrain
    evaluate: Evaluation


class CaptionRecipe(Recipe):
    """A run that trains a captioner."""

    captions: Captions = Captions()
    model: CaptionModel
    train: CaptionTrain
    evaluate: CaptionEvaluation


class ValueRecipe(Recipe):
    """A run that trains a generator of single numbers."""

    model: GanModel
    train: GanTrain
    evaluate: ValueEvaluation


RECIPES: dict[Task, type[Recipe]] = {
    "image": ImageRecipe,
    "caption": CaptionRecipe,
    "value": ValueRecipe,
}
"""The settings of a run by what its model family makes."""
