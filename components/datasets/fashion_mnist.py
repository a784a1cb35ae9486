"""Fashion-MNIST: 70,000 articles of clothing, 28x28 grey, by the official TFDS builder."""

from __future__ import annotations

from components.datasets.base import DatasetSpec

SPEC = DatasetSpec(
    name="fashion_mnist",
    builder="fashion_mnist",
    version="3.0.1",
    image_shape=(28, 28, 1),
    splits={"train": 60_000, "test": 10_000},
    licence="MIT",
    origin="30 MB, downloaded by the TFDS builder unless data_dir holds the prepared folder",
    label_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
)
