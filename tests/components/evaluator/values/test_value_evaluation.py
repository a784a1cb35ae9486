"""Generators of numbers, good and bad, through Beam to a verdict and its report."""

from __future__ import annotations

import functools
import json
import math

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf

from components.evaluator import settings, tasks
from components.evaluator.settings import Bound, ValueEvaluation

MODES = ((10.0, 0.1), (100.0, 1.0))
BOUNDS = (Bound(metric="mean_error", max=0.2), Bound(metric="deviation_error", max=0.2))
SEED, LABEL = (tf.TensorSpec([None], tf.int64, name) for name in ("seed", "label"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Both classes in turn, 2,000 training numbers and 1,000 held out."""
    root = tmp_path_factory.mktemp("numbers")
    for split, count in (("train", 2000), ("eval", 1000)):
        noise = np.random.default_rng(count).standard_normal(count)
        (root / f"Split-{split}").mkdir()
        path = str(root / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for row in range(count):
                example = tf.train.Example()
                mean, deviation = MODES[row % 2]
                value = mean + deviation * noise[row]
                example.features.feature["value"].float_list.value.append(value)
                example.features.feature["label"].int64_list.value.append(row % 2)
                writer.write(example.SerializeToString())
    manifest = {"dataset": "gaussian_pair", "version": "1.0.0", "fingerprint": "f00d"}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return str(root)


def save(root, answer, dtype=tf.float32, name="value", signature=(SEED, LABEL)) -> str:
    """Export `answer(noise, label)`, float64[B], as signature `generate`."""

    def one(pair):
        return tf.random.stateless_normal([], pair, dtype=tf.float64)

    def generate(seed, label=None):
        noise = tf.map_fn(one, tf.stack([seed, seed], 1), fn_output_signature=tf.float64)
        return {name: tf.cast(answer(noise, label), dtype)[:, None]}

    module = tf.Module()
    module.generate = tf.function(generate, input_signature=list(signature))
    tf.saved_model.save(module, str(root), signatures={"generate": module.generate})
    return str(root)


def right(noise, label):
    wide = tf.cast(label, tf.float64)
    return 10 + 90 * wide + (0.1 + 0.9 * wide) * noise


def judge(model: str, examples: str, root, **more):
    given = ValueEvaluation(samples=1000, thresholds=BOUNDS, batch_size=300)
    in_memory = ["--runner=FnApiRunner", "--sdk_container_image=none"]
    pipelines = functools.partial(beam.Pipeline, argv=in_memory)
    task = tasks.of(given)
    result = task.evaluate.evaluate(
        model, examples, given, pipelines, str(root / "scratch"), **more
    )
    task.report.write(result, str(root / "report"))
    assert not (root / "scratch").exists()
    return result, json.loads((root / "report" / "evaluation.json").read_text())


def test_a_good_generator_is_blessed_and_reported(examples, tmp_path) -> None:
    result, told = judge(save(tmp_path / "model", right), examples, tmp_path)
    assert result.verdict.blessed and told["verdict"] == "BLESSED"
    assert list(told["scores"]) == [
        "mean_error", "deviation_error", "wasserstein", "kolmogorov_smirnov",
    ]  # fmt: skip
    narrow, wide = told["classes"]
    assert narrow["name"] == "N(10, 0.1)"
    assert narrow["mean"] == pytest.approx(10, abs=0.02)
    assert narrow["deviation"] == pytest.approx(0.1, abs=0.01)
    assert wide["real_mean"] == pytest.approx(100, abs=0.2)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "<h1>" in page and "N(100, 1)" in page and "data:image/png;base64," in page
    assert (tmp_path / "report" / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_without_classes_all_numbers_are_one_class(examples, tmp_path) -> None:
    model = save(tmp_path / "model", lambda noise, _: 10 + noise, signature=(SEED,))
    _, told = judge(model, examples, tmp_path)
    (only,) = told["classes"]
    assert only["real_mean"] == pytest.approx(55, abs=1) and told["verdict"] == "NOT_BLESSED"


@pytest.mark.parametrize(
    ("answer", "dtype", "name", "reason"),
    [
        (lambda n, label: 0 * n + math.nan, tf.float32, "value", "answers seed 0 with nan"),
        (lambda n, label: 0 * n + 10, tf.float32, "value", "makes the same value from seeds 0"),
        (right, tf.float64, "value", "output 'value' is float64; it must be float32"),
        (right, tf.float32, "number", "has no output 'value' (it has: number)"),
        (
            lambda n, label: right(n, label) + tf.cast(tf.shape(n)[0], tf.float64),
            tf.float32,
            "value",
            "another value in another batch",
        ),
    ],
)
def test_broken_promises_are_reasons(answer, dtype, name, reason, examples, tmp_path) -> None:
    result, told = judge(save(tmp_path / "model", answer, dtype, name), examples, tmp_path)
    assert not result.verdict.blessed and result.candidate is None
    assert reason in told["reasons"][0]
    assert reason.split("'")[0] in (tmp_path / "report" / "report.html").read_text()


def test_a_better_deployed_model_wins(examples, tmp_path) -> None:
    worse = save(tmp_path / "worse", lambda n, label: right(n, label) + 0.1)
    better = save(tmp_path / "better", right)
    given = {"baseline_path": better}
    result, _ = judge(worse, examples, tmp_path, **given)
    assert result.baseline.scores["mean_error"].value < result.candidate.scores["mean_error"].value
    result, _ = judge(worse, examples, tmp_path, baseline_path=str(tmp_path / "gone"))
    assert result.baseline is None and "cannot be loaded" in result.remark


def test_settings_are_told_apart_by_their_task() -> None:
    assert isinstance(settings.parse('{"task": "value", "samples": 100}'), ValueEvaluation)
    with pytest.raises(settings.UserError, match="samples: Input should be greater"):
        settings.parse('{"task": "value", "samples": 10}')
