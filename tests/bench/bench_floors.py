"""What a gate's figures are for images that need no model: the yardstick in the recipe headers.

    python tests/bench/bench_floors.py --data-dir DIR [mnist fashion_mnist cifar10]

Scores, against the test split and with the packaged extractor, 10,000 images each: real training
images, 1,000 of them repeated, each class's mean image, the mean of all, uniform noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES, FEW = 10_000, 1000
FIGURES = ("fid", "label_accuracy", "recall", "copied_share", "distinct_share")


def load(dataset: str, split: str, data_dir: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a split: uint8[N,H,W,C] and int64[N]."""
    import tensorflow_datasets as tfds

    stored = tfds.load(dataset, split=split, data_dir=data_dir, download=False, batch_size=-1)
    return stored["image"].numpy(), stored["label"].numpy().astype(np.int64)


def kinds(images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the sets of images to score, by name, with the class each stands for."""
    number = np.arange(SAMPLES)
    few = number % FEW
    classes = number % (labels.max() + 1)
    means = np.stack([images[labels == c].mean(0) for c in range(labels.max() + 1)])
    mean = np.broadcast_to(images.mean(0), (SAMPLES, *images.shape[1:]))
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, *images.shape[1:]), np.uint8)
    return {
        "real training images": (images[:SAMPLES], labels[:SAMPLES]),
        f"{FEW:,} training images repeated": (images[few], labels[few]),
        "mean image of each class": (means.round().astype(np.uint8)[classes], classes),
        "mean image of all": (mean.round().astype(np.uint8), classes),
        "uniform noise": (noise, classes),
    }


def seen(network: Any, images: np.ndarray, labels: np.ndarray) -> Any:
    """Return what the extractor sees of images, as a `FeatureSet`."""
    from components.metrics.evidence import FeatureSet

    parts = [network(images[at : at + 500]) for at in range(0, len(images), 500)]
    features, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
    digests = np.array([hash(image.tobytes()) for image in images])
    return FeatureSet.of(np.arange(len(images)), labels, features, probabilities, digests)


def main() -> None:
    """Print one line for each data set and kind of image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="*", default=["mnist", "fashion_mnist", "cifar10"])
    parser.add_argument("--data-dir", type=Path, required=True, help="prepared TFDS data")
    options = parser.parse_args()

    from components.metrics import extractors
    from components.metrics.evidence import Evidence
    from components.metrics.score import score_all

    for dataset in options.datasets:
        network = extractors.load(dataset)
        train, test = (load(dataset, split, str(options.data_dir)) for split in ("train", "test"))
        learned, held_out = seen(network, *train), seen(network, *test)
        for name, made in kinds(*train).items():
            evidence = Evidence(seen(network, *made), held_out, learned)
            scores = score_all(evidence, network.card.name)
            told = (
                f"{key} {score.value:.3g}"
                for key, score in scores.items()
                if key.split("_" + network.card.name)[0] in FIGURES
            )
            print(f"{dataset:14}{name:34}{', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
