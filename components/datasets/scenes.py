"""Scenes: rendered coloured shapes with five true captions each, 64x64 RGB, no download."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets.public_api as tfds

from components.datasets.base import DatasetSpec, Source
from components.datasets.scene_language import CAPTIONS, describe
from components.datasets.scene_world import SIDE, draw_lots, encode
from trainer.errors import UserError
from trainer.progress import Progress

SIZE, SEED = 4000, 20
"""Training scenes and seed where the recipe names none."""

HELD_OUT = 4
"""Training scenes per scene of the test split."""


@dataclasses.dataclass(frozen=True)
class ScenesSpec(DatasetSpec):
    """The scenes of one size and seed."""

    def resolve(self, source: Source) -> DatasetSpec:
        """See `DatasetSpec.resolve`; every size and seed has a folder of its own."""
        size = SIZE if source.size is None else source.size
        seed = SEED if source.seed is None else source.seed
        if size < HELD_OUT or seed < 0:
            raise UserError(
                f"data.size is {size} and data.seed {seed}: scenes need a size of at least "
                f"{HELD_OUT} and a seed of at least 0"
            )
        resolved = super().resolve(dataclasses.replace(source, size=size, seed=seed))
        splits = {"train": size, "test": size // HELD_OUT}
        return dataclasses.replace(resolved, config=f"size{size}-seed{seed}", splits=splits)


SPEC = ScenesSpec(
    name="scenes",
    builder="components.datasets.scenes:Scenes",
    version="1.0.0",
    image_shape=(SIDE, SIDE, 3),
    splits={"train": SIZE, "test": SIZE // HELD_OUT},
    licence="Apache-2.0, as this code",
    origin="rendered on first use, about a thousand scenes per second",
    bundled=True,
    captions_feature="captions",
    id_feature="id",
    caption_count=(CAPTIONS, CAPTIONS),
    caption_words=(3, 16),
    facts_feature="scene",
    takes=("size", "seed"),
)


@dataclasses.dataclass
class ScenesConfig(tfds.core.BuilderConfig):
    """How many scenes, from which seed."""

    size: int = SIZE
    seed: int = SEED


class Scenes(tfds.core.GeneratorBasedBuilder):
    """Scene i of a split depends on seed, split and i alone: a larger set begins like a smaller."""

    name = "scenes"
    VERSION = tfds.core.Version(SPEC.version)
    RELEASE_NOTES = {"1.0.0": "First version."}

    @staticmethod
    def config_of(spec: DatasetSpec) -> ScenesConfig:
        """Turn what the recipe says into TFDS's configuration."""
        source = spec.source
        size, seed = source.size or SIZE, SEED if source.seed is None else source.seed
        return ScenesConfig(name=f"size{size}-seed{seed}", size=size, seed=seed)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="One to three coloured shapes on a 3x3 grid, and what is true of them.",
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=SPEC.image_shape, encoding_format="png"),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "scene": tfds.features.Text(),
                }
            ),
            license=SPEC.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        size = self.builder_config.size
        return {
            "train": self._generate_examples("train", 0, size),
            "test": self._generate_examples("test", 1, size // HELD_OUT),
        }

    def _generate_examples(
        self, split: str, stream: int, count: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        seed = self.builder_config.seed
        with Progress(f"rendering scenes ({split})", count, "images") as progress:
            for index in range(count):
                rng = np.random.default_rng([seed, stream, index])
                scene = draw_lots(rng)
                yield (
                    index,
                    {
                        "id": f"{split}/{index:07d}",
                        "image": io.BytesIO(encode(scene)),
                        "captions": describe(scene, rng),
                        "scene": scene.to_json(),
                    },
                )
                progress.update()
