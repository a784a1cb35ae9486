"""Single numbers from normal distributions: the smallest data a generator can be tried on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets.public_api as tfds

from components.datasets.base import DatasetSpec

MODES = ((10.0, 0.1), (100.0, 1.0))
"""Mean and standard deviation of each class; data without classes have the first alone."""

SPLITS = {"train": 20_000, "test": 10_000}
SEED = 20

SPEC = DatasetSpec(
    name="gaussian",
    builder="components.datasets.gaussian:Gaussian",
    version="1.0.0",
    image_shape=(1, 1, 1),
    splits=SPLITS,
    licence="Apache-2.0, as this code",
    origin="numbers from N(10, 0.1), drawn on first use, in a few seconds",
    bundled=True,
    value_feature="value",
    id_feature="id",
)

PAIR = dataclasses.replace(
    SPEC,
    name="gaussian_pair",
    builder="components.datasets.gaussian:GaussianPair",
    origin="numbers from N(10, 0.1) and N(100, 1) in turn, drawn on first use, in a few seconds",
    label_names=tuple(f"N({mean:g}, {deviation:g})" for mean, deviation in MODES),
)


class Gaussian(tfds.core.GeneratorBasedBuilder):
    """Number i of a split depends on split and i alone."""

    name = SPEC.name
    VERSION = tfds.core.Version(SPEC.version)
    RELEASE_NOTES = {"1.0.0": "First version."}
    SPEC = SPEC

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"id": tfds.features.Text(), "value": np.float32}
        if self.SPEC.label_names:
            features["label"] = tfds.features.ClassLabel(names=list(self.SPEC.label_names))
        return tfds.core.DatasetInfo(
            builder=self,
            description="Numbers from normal distributions.",
            features=tfds.features.FeaturesDict(features),
            license=SPEC.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        return {
            split: self._generate_examples(split, stream, SPLITS[split])
            for stream, split in enumerate(SPLITS)
        }

    def _generate_examples(
        self, split: str, stream: int, count: int
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        noise = np.random.default_rng([SEED, stream]).standard_normal(count)
        classes = len(self.SPEC.label_names)
        for index in range(count):
            label = index % max(1, classes)
            mean, deviation = MODES[label]
            record = {"id": f"{split}/{index:05d}", "value": mean + deviation * noise[index]}
            yield index, record | ({"label": label} if classes else {})


class GaussianPair(Gaussian):
    """Both distributions in turn, with the class that says which."""

    name = PAIR.name
    SPEC = PAIR
