"""FID while training: near zero for the same images, large for noise, named by its protocol."""

from __future__ import annotations

import numpy as np
import pytest

from components.metrics.training_fid import TrainingFid
from trainer.errors import UserError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Two thousand blots of many places and sizes."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:28, :28]
    centres, widths = random.uniform(8, 20, (2000, 2)), random.uniform(2, 5, 2000)
    distance = [(rows - y) ** 2 + (columns - x) ** 2 for y, x in centres]
    blots = np.exp(-np.array(distance) / (2 * widths[:, None, None] ** 2))
    return (blots * 255).astype(np.uint8)[..., None]


def test_the_nearer_the_lower(images: np.ndarray) -> None:
    score = TrainingFid("digits", images[:1000])
    same, other, noise = (
        score(batch)
        for batch in (
            images[:1000],
            images[1000:],
            np.random.default_rng(1).integers(0, 256, (1000, 28, 28, 1), dtype=np.uint8),
        )
    )
    (name,) = same
    assert name == "fid_digits-cnn_1k_train"
    assert abs(same[name]) < 1e-6 < other[name] < noise[name] / 10


def test_too_few_samples_are_refused(images: np.ndarray) -> None:
    score = TrainingFid("digits", images)
    with pytest.raises(UserError, match="too few"):
        score(images[:10])
