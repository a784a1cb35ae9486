"""CIFAR-10: 60,000 photographs of ten kinds of things, 32x32 RGB, by the official TFDS builder."""

from __future__ import annotations

from components.datasets.base import DatasetSpec

SPEC = DatasetSpec(
    name="cifar10",
    builder="cifar10",
    version="3.0.2",
    image_shape=(32, 32, 3),
    splits={"train": 50_000, "test": 10_000},
    licence="none stated by its authors (Krizhevsky, 2009); research use is customary",
    origin="163 MB, downloaded by the TFDS builder unless data_dir holds the prepared folder",
    label_names=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    id_feature="id",
)
