"""MNIST: 70,000 handwritten digits, 28x28 grey, by the official TFDS builder."""

from __future__ import annotations

from components.datasets.base import DatasetSpec

SPEC = DatasetSpec(
    name="mnist",
    builder="mnist",
    version="3.0.1",
    image_shape=(28, 28, 1),
    splits={"train": 60_000, "test": 10_000},
    licence="CC BY-SA 3.0",
    origin="11 MB, downloaded by the TFDS builder unless data_dir holds the prepared folder",
    label_names=tuple(str(digit) for digit in range(10)),
)
