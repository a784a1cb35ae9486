"""Figures of numbers against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from components.metrics.values import ValueEvidence, mean_error, score_values


def evidence(samples, labels=None, reference=(-1.0, 1.0), reference_labels=None) -> ValueEvidence:
    samples, reference = np.asarray(samples, float), np.asarray(reference, float)
    zeros = lambda of: np.zeros(len(of), np.int64)  # noqa: E731
    labels = zeros(samples) if labels is None else np.asarray(labels)
    known = zeros(reference) if reference_labels is None else np.asarray(reference_labels)
    return ValueEvidence(samples, labels, reference, known)


def values(found: ValueEvidence) -> dict[str, float]:
    return {name: score.value for name, score in score_values(found).items()}


def test_the_same_numbers_score_nothing() -> None:
    assert set(values(evidence([-1, 1, 1, -1])).values()) == {0.0}


def test_shifted_and_stretched_numbers() -> None:
    # Held out: mean 0, standard deviation 1. Samples: mean 3, standard deviation 2.
    found = values(evidence([1.0, 5.0]))
    assert found["mean_error"] == pytest.approx(3)
    assert found["deviation_error"] == pytest.approx(1)
    assert found["wasserstein"] == pytest.approx((2 + 4) / 2)
    assert found["kolmogorov_smirnov"] == pytest.approx(0.5)


def test_the_worst_class_counts_in_its_own_unit() -> None:
    # Class 1 is ten times as wide: the same shift of 1 is a tenth of its standard deviation.
    found = values(evidence([0, 2, -9, 11], [0, 0, 1, 1], [-1, 1, -10, 10], [0, 0, 1, 1]))
    assert found["mean_error"] == pytest.approx(1)
    swapped = values(evidence([-1, 1, -5, 15], [0, 0, 1, 1], [-1, 1, -10, 10], [0, 0, 1, 1]))
    assert swapped["mean_error"] == pytest.approx(0.5)


def test_the_error_is_that_of_fresh_samples() -> None:
    draws = np.random.default_rng(0).normal(0.5, 1, (200, 400))
    reference = np.random.default_rng(1).normal(0, 1, 5000)
    scores = [mean_error(evidence(row, reference=reference)) for row in draws]
    spread = np.std([score.value for score in scores])
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.15)
