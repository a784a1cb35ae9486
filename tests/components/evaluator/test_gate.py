"""The gate: every path of scores, bounds and baselines to a verdict with its reason."""

import math

import pytest

from components.evaluator.gate import FIRST_RUN, NOT_CHECKED, decide, refuse
from components.evaluator.settings import Bound
from components.metrics.evidence import Score

FID = "fid_digits-cnn_2k"
SCORES = {FID: Score(3.0, 0.1), "recall": Score(0.7, 0.02)}


def fid(value, error=0.0):
    return {FID: Score(value, error)}


@pytest.mark.parametrize(
    ("bound", "blessed", "words"),
    [
        (Bound(metric=FID, max=3.5), True, "is 3.0 ± 0.1, within the bound of at most 3.5"),
        (Bound(metric=FID, max=3.0), True, "(closer to it than its error)"),
        (Bound(metric=FID, max=2.9), False, "outside the bound of at most 2.9 (closer to it"),
        (Bound(metric="recall", min=0.7), True, "within the bound of at least 0.7"),
        (Bound(metric="recall", min=0.9), False, "outside the bound of at least 0.9"),
        (Bound(metric="precision", max=9), False, f"not measured; measured: {FID}, rec"),
        (Bound(metric="fid_digits-cnn_10k", max=9), False, f"{FID} is never compared with it"),
        (Bound(metric="fid_mnist-cnn_2k", max=9), False, f"{FID} is never compared with it"),
        (Bound(metric=FID), False, "a threshold without max and min"),
    ],
)
def test_absolute_bounds(bound, blessed, words):
    verdict = decide(SCORES, [bound])
    assert verdict.blessed is blessed
    assert words in verdict.reasons[0]


def test_both_sides_of_one_threshold_are_checked():
    verdict = decide(SCORES, [Bound(metric="recall", min=0.5, max=0.6)])
    assert [check.passed for check in verdict.checks] == [False, True]


def test_one_failure_among_passes_decides_and_comes_first():
    verdict = decide(SCORES, [Bound(metric=FID, max=5), Bound(metric="recall", min=0.9)])
    assert not verdict.blessed
    assert "recall" in verdict.reasons[0] and FID in verdict.reasons[1]


def test_without_thresholds_nothing_is_blessed():
    verdict = decide(SCORES, [], baseline=SCORES, margins={FID: 0.5})
    assert not verdict.blessed and verdict.reasons[0] == NOT_CHECKED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_figure_that_is_no_number_fails(value):
    assert not decide(fid(value), [Bound(metric=FID, max=5)]).blessed


def test_first_run_skips_the_margin_and_says_so():
    verdict = decide(SCORES, [Bound(metric=FID, max=5)], margins={FID: 0.1})
    assert verdict.blessed and verdict.reasons[-1] == FIRST_RUN


@pytest.mark.parametrize(
    ("ours", "theirs", "blessed"),
    [
        (fid(3.3), fid(3.0), True),  # ten per cent worse is what the margin allows
        (fid(3.31), fid(3.0), False),
        (fid(3.49, 0.06), fid(3.0, 0.08), True),  # two errors of the difference are 0.2
        (fid(3.51, 0.06), fid(3.0, 0.08), False),
        (fid(1.0), fid(3.0), True),
    ],
)
def test_margin_and_error_against_the_baseline(ours, theirs, blessed):
    verdict = decide(ours, [Bound(metric=FID, max=9)], theirs, {FID: 0.1})
    assert verdict.blessed is blessed
    assert "of the deployed model" in verdict.checks[1].text


def test_direction_follows_the_metric():
    better, worse = {"recall": Score(0.8, 0)}, {"recall": Score(0.4, 0)}
    bounds = [Bound(metric="recall", min=0.1)]
    assert decide(better, bounds, worse, {"recall": 0.1}).blessed
    assert not decide(worse, bounds, better, {"recall": 0.1}).blessed


def test_a_margin_may_leave_the_protocol_out():
    verdict = decide(fid(4.0), [Bound(metric=FID, max=9)], fid(3.0), {"fid": 0.1})
    assert (
        not verdict.blessed
        and f"{FID} is 4 ± 0 against 3 ± 0 of the deployed" in verdict.reasons[0]
    )


def test_a_figure_the_baseline_lacks_is_a_remark():
    """A deployed model without labels has no label accuracy; the bounds still hold."""
    verdict = decide(SCORES, [Bound(metric=FID, max=9)], fid(3.0), {"recall": 0.1})
    assert verdict.blessed and "recall was not measured for the deployed" in verdict.reasons[-1]
    refused = decide(SCORES, [Bound(metric=FID, max=1)], fid(3.0), {"recall": 0.1})
    assert not refused.blessed


def test_a_margin_on_a_figure_the_candidate_lacks_fails():
    verdict = decide(fid(3.0), [Bound(metric=FID, max=9)], SCORES, {"recall": 0.1})
    assert not verdict.blessed and "recall has a bound but was not measured" in verdict.reasons[0]


@pytest.mark.parametrize("other", ["fid_mnist-cnn_2k", "fid_digits-cnn_10k"])
def test_figures_of_another_extractor_or_count_are_never_compared(other):
    """A far better figure of another protocol must not make the candidate look worse."""
    verdict = decide(SCORES, [Bound(metric=FID, max=9)], {other: Score(0.1, 0.0)}, {"fid": 0.0})
    assert verdict.blessed and [check.passed for check in verdict.checks] == [True, None]
    assert "never are" in verdict.reasons[-1]
    assert not decide(SCORES, [Bound(metric=FID, max=9)], SCORES, {other: 0.0}).blessed


def test_refusal_carries_the_fault():
    verdict = refuse(["the model raises"])
    assert not verdict.blessed and verdict.reasons == ["the model raises"]
