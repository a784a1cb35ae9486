"""A whole evaluation of captioners on scenes: verdicts, and figures that do not move."""

import apache_beam as beam
import pytest
import tensorflow as tf

from components.evaluator.captions.evaluate import evaluate
from components.evaluator.captions.examples import foreign_images, read_items
from components.evaluator.examples import open_examples
from components.evaluator.settings import Bound, CaptionEvaluation
from components.metrics.caption_tokens import tokenize
from trainer.errors import UserError

BOUNDS = (
    Bound(metric="token_loss", max=1.0),
    Bound(metric="image_dependence", max=-0.5),
    Bound(metric="true_facts", min=0.9),
    Bound(metric="bleu_4", min=0.6),
)


def _without(split, field, value):
    def change(name, rows):
        return [(*r[:field], value, *r[field + 1 :]) if name == split else r for r in rows]

    return change


@pytest.fixture(scope="module")
def run(scene_examples, in_memory, tmp_path_factory):
    root = tmp_path_factory.mktemp("captioning")

    def call(model, baseline=None, make=in_memory, examples=scene_examples, **changes):
        settings = CaptionEvaluation(**{"thresholds": BOUNDS, **changes})
        scratch = root / "scratch"
        result = evaluate(model, examples, settings, make, str(scratch), None, baseline)
        assert not scratch.exists()
        return result

    return call


@pytest.fixture(scope="module")
def first(run, knowing):
    return run(knowing)


def test_a_captioner_that_knows_is_blessed(first, scenes):
    assert first.verdict.blessed, first.verdict.reasons
    assert list(first.candidate.captions) == [row[2][0] for row in scenes["eval"]]
    scores = first.candidate.scores
    assert scores["token_loss"].value == pytest.approx(0.5, rel=1e-6)
    assert scores["perplexity"].value == pytest.approx(1.6487212707, rel=1e-6)  # exp(0.5)
    assert scores["true_facts"].value == 1.0
    assert scores["bleu_4"].value == pytest.approx(1.0)
    # Captions of another scene cost 2 nats a word, unless that scene has the same caption.
    assert -1.5 <= scores["image_dependence"].value < -1.2


def test_people_and_one_sentence_for_all_are_scored_beside_it(first, scenes):
    assert first.human["true_facts"].value == 1.0
    assert first.human["cider_d"].value < first.candidate.scores["cider_d"].value
    assert "token_loss" not in first.human
    train = {tokenize(text) for row in scenes["train"] for text in row[2]}
    assert first.constant_caption in train
    assert first.constant["novel_share"].value == 0.0
    assert first.constant["cider_d"].value < 0.5 * first.human["cider_d"].value


def test_a_captioner_that_does_not_look_is_refused(run, blind):
    result = run(blind)
    assert not result.verdict.blessed
    scores = result.candidate.scores
    assert scores["image_dependence"].value == pytest.approx(0.0, abs=1e-7)
    assert scores["token_loss"].value == pytest.approx(1.25)
    assert scores["distinct_1"].value == pytest.approx(3 / 180)  # three words, sixty captions
    failed = {check.metric for check in result.verdict.checks if check.passed is False}
    assert failed == {"token_loss", "image_dependence", "true_facts", "bleu_4"}


@pytest.mark.parametrize(
    ("batch", "shards", "mode", "workers"),
    [(7, 1, "in_memory", 1), (64, 3, "multi_threading", 3)],
)
def test_figures_ignore_batch_size_sharding_and_workers(
    run, knowing, store, first, batch, shards, mode, workers
):
    arguments = ["--runner=DirectRunner", f"--direct_running_mode={mode}"]
    arguments.append(f"--direct_num_workers={workers}")
    again = run(
        knowing,
        make=lambda: beam.Pipeline(argv=arguments),
        examples=store(shards),
        batch_size=batch,
    )
    assert again.candidate.captions == first.candidate.captions
    for name, score in first.candidate.scores.items():
        assert again.candidate.scores[name].value == pytest.approx(score.value, rel=1e-9), name
        assert again.candidate.scores[name].error == pytest.approx(score.error, rel=1e-9), name
    assert (again.human, again.constant_caption) == (first.human, first.constant_caption)


def test_a_limit_takes_the_same_items_from_any_sharding(store, scene_examples):
    few = [read_items(open_examples(uri), "eval", 9) for uri in (scene_examples, store(3))]
    assert few[0] == few[1] and len(few[0]) == 9
    assert [item.id for item in few[0]] != [f"scenes/eval/{at:04d}" for at in range(9)]


def test_every_foreign_image_is_another_one():
    ids = [f"image {at}" for at in range(50)]
    others = foreign_images(ids, 3, seed=1)
    assert all(len(found) == 3 and name not in found for name, found in others.items())
    for place in range(3):
        assert {found[place] for found in others.values()} == set(ids)
    assert others != foreign_images(ids, 3, seed=2)


def test_what_was_not_measured_is_missing_and_its_bound_fails(run, knowing, store):
    examples = store(1, _without("eval", 3, ""))
    result = run(knowing, permutations=0, examples=examples)
    missing = {"image_dependence", "true_facts", "true_objects"}
    assert not missing & set(result.candidate.scores)
    assert not result.verdict.blessed
    failed = {check.metric for check in result.verdict.checks if check.passed is False}
    assert failed == {"image_dependence", "true_facts"}
    assert "not measured" in result.verdict.reasons[0]


def test_worse_than_the_deployed_captioner_is_refused(run, blind, knowing):
    bounds = (Bound(metric="token_loss", max=9.0),)
    result = run(blind, knowing, thresholds=bounds, margins={"token_loss": 0.1, "cider_d": 0.1})
    worse = [check.metric for check in result.verdict.checks if check.passed is False]
    assert worse == ["token_loss", "cider_d"]
    assert "of the deployed model, worse by more than the margin of 10%" in "".join(
        result.verdict.reasons
    )
    assert result.baseline.captions != result.candidate.captions


def test_a_baseline_that_is_gone_leaves_the_absolute_bounds(run, knowing):
    result = run(knowing, "/nowhere/model", margins={"token_loss": 0.0})
    assert result.verdict.blessed and result.baseline is None
    assert "the deployed model cannot be compared with" in result.verdict.reasons[-1]


def test_a_model_that_raises_midway_is_refused_with_the_image(run, scenes, answers, export):
    name, late, _, _ = scenes["eval"][50]

    def raising(signature, outputs, image_bytes):
        fine = tf.debugging.Assert(tf.reduce_all(image_bytes != late), ["I dislike it"])
        with tf.control_dependencies([fine]):
            return {key: tf.identity(value) for key, value in outputs.items()}

    result = run(export(*answers, 2.0, change=raising), batch_size=1)
    assert not result.verdict.blessed and result.candidate is None
    assert f"'caption' raises for image {name}: " in result.verdict.reasons[0]
    assert "I dislike it" in result.verdict.reasons[0]


@pytest.mark.parametrize(
    ("changed", "changes", "words"),
    [
        (_without("eval", 2, []), {}, "60 of 60 items of split 'eval' have no captions"),
        (_without("eval", 0, "twin"), {}, "60 items with 1 different ids"),
        (None, {"reference_split": "test"}, "no split 'test'; they have: eval, train"),
        (None, {"comparison_split": "training"}, "no split 'training'; they have: eval, train"),
    ],
)
def test_data_that_do_not_fit_stop_before_any_work(run, knowing, store, changed, changes, words):
    more = {"examples": store(1, changed)} if changed else {}
    with pytest.raises(UserError, match=words):
        run(knowing, **changes, **more)
