"""A whole evaluation on real digits: scores, verdicts, and figures that do not move."""

import apache_beam as beam
import numpy as np
import pytest

from components.evaluator.evaluate import evaluate
from components.evaluator.settings import Bound, Evaluation
from trainer.errors import UserError

FID = "fid_digits-cnn_500"
BOUNDS = (
    Bound(metric=FID, max=1.0),
    Bound(metric="label_accuracy", min=0.95),
    Bound(metric="nearest_train_distance", min=0.5),
)


def settings(**changes):
    given = {"extractor": "digits", "samples": 500, "thresholds": BOUNDS, **changes}
    return Evaluation(**given)


@pytest.fixture(scope="module")
def run(examples, in_memory, reference_of, tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluate")

    def call(model, baseline=None, make=in_memory, **changes):
        scratch, asked = root / "scratch", settings(**changes)
        reference = reference_of(asked)
        result = evaluate(model, examples, asked, make, str(scratch), reference, baseline)
        assert not scratch.exists()
        return result

    return call


@pytest.fixture(scope="module")
def first(run, good):
    return run(good)


def test_a_good_model_is_blessed(first):
    assert first.verdict.blessed, first.verdict.reasons
    assert first.candidate.scores[FID].value < 1.0
    assert first.candidate.scores["label_accuracy"].value > 0.95
    assert first.candidate.sheet.shape == (10, 10, 28, 28, 1)
    assert np.array_equal(first.candidate.features.ids, np.arange(500))


def test_real_data_are_scored_beside_it(first):
    assert 0 < first.floor["fid_digits-cnn_500"].value < first.candidate.scores[FID].value
    assert first.floor["nearest_train_distance"].value == 1.0


@pytest.mark.parametrize(
    ("batch", "mode", "workers"), [(7, "in_memory", 1), (64, "multi_threading", 3)]
)
def test_figures_ignore_batch_size_and_workers(run, good, first, batch, mode, workers):
    arguments = ["--runner=DirectRunner", f"--direct_running_mode={mode}"]
    arguments.append(f"--direct_num_workers={workers}")
    again = run(good, make=lambda: beam.Pipeline(argv=arguments), batch_size=batch)
    for name, score in first.candidate.scores.items():
        assert again.candidate.scores[name].value == pytest.approx(score.value, rel=1e-6), name
        assert again.candidate.scores[name].error == pytest.approx(score.error, rel=1e-4, abs=1e-12)
    assert np.array_equal(again.candidate.features.digests, first.candidate.features.digests)


def test_merged_statistics_are_those_of_the_rows(first):
    features = first.candidate.features
    assert sum(group.n for group in features.groups) == 500
    for group, row in zip(features.groups, features.features.reshape(20, 25, 64), strict=True):
        np.testing.assert_allclose(group.mean, row.astype(np.float64).mean(axis=0), rtol=1e-9)


def test_other_seeds_give_other_samples(run, good, first):
    other = run(good, seed_offset=500).candidate
    assert other.scores[FID].value != first.candidate.scores[FID].value
    assert other.scores[FID].value == pytest.approx(first.candidate.scores[FID].value, abs=0.3)


def test_noise_is_refused_by_its_distance(run, noisy):
    result = run(noisy)
    assert not result.verdict.blessed
    assert result.candidate.scores[FID].value > 30
    assert "label_accuracy" not in result.candidate.scores  # nothing was asked for


def test_memorised_images_pass_the_distance_but_not_the_gate(run, memorised):
    result = run(memorised)
    assert result.candidate.scores[FID].value < 1.0
    assert result.candidate.scores["distinct_share"].value == pytest.approx(0.2)
    assert result.candidate.scores["nearest_train_distance"].value < 1e-3
    assert not result.verdict.blessed and "nearest_train_distance" in result.verdict.reasons[0]


def test_a_model_that_raises_midway_is_refused_with_the_seeds(run, raising):
    result = run(raising)
    assert not result.verdict.blessed and result.candidate is None
    assert "the model raises for seeds 250 to 499" in result.verdict.reasons[0]


def test_the_same_model_as_baseline_is_not_worse(run, good):
    result = run(good, baseline=good, margins={FID: 0.0})
    assert result.verdict.blessed
    assert result.baseline.scores == result.candidate.scores


def test_worse_than_the_baseline_is_refused(run, good, noisy):
    bounds = (Bound(metric=FID, max=1000.0),)
    result = run(noisy, baseline=good, thresholds=bounds, margins={FID: 0.5})
    assert (
        not result.verdict.blessed and "worse by more than the margin" in result.verdict.reasons[0]
    )


def test_a_baseline_that_is_gone_leaves_the_absolute_bounds(run, good):
    result = run(good, baseline="/nowhere/model", margins={FID: 0.1})
    assert result.verdict.blessed and result.baseline is None
    assert "the deployed model cannot be compared with" in result.verdict.reasons[-1]


def test_a_baseline_of_another_signature_is_compared_where_it_can_be(run, good, noisy):
    """An unconditional model has no label accuracy: a remark; its distance is compared."""
    result = run(
        good,
        baseline=noisy,
        samples=100,
        thresholds=(Bound(metric="recall", min=0.0),),
        margins={"label_accuracy": 0.1, "fid": 0.1},
    )
    assert result.verdict.blessed, result.verdict.reasons
    texts = [check.text for check in result.verdict.checks]
    assert any("label_accuracy was not measured for the deployed model" in t for t in texts)
    assert any("not worse by more than the margin" in t for t in texts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"samples": 64}, "64 images are too few.*at least 65"),
        ({"reference_split": "test"}, "no split 'test'; they have: eval, train"),
        ({"extractor": "digit"}, "did you mean 'digits'"),
    ],
)
def test_mistakes_of_the_settings_stop_before_any_work(run, good, changes, words):
    with pytest.raises(UserError, match=words):
        run(good, **changes)


def test_statistics_of_other_settings_are_refused(
    examples, good, reference_of, in_memory, tmp_path
):
    scratch = tmp_path / "scratch"
    with pytest.raises(UserError, match=r"of samples 500, not 400; .*from ReferenceStatistics"):
        evaluate(
            good,
            examples,
            settings(samples=400),
            in_memory,
            str(scratch),
            reference_of(settings()),
        )
    assert not scratch.exists()


def test_examples_without_a_manifest_are_refused(good, in_memory, tmp_path):
    with pytest.raises(UserError, match="TfdsExampleGen"):
        evaluate(good, str(tmp_path), settings(), in_memory, str(tmp_path / "s"), None)
