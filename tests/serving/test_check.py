"""The check of a candidate: a good model passes; each broken promise is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from serving.check import check
from serving.errors import ServingError


@pytest.fixture(scope="module")
def good(generator_dir, tmp_path_factory):
    report = tmp_path_factory.mktemp("check") / "report.json"
    command = [sys.executable, "-m", "serving.check", "--model-dir", str(generator_dir)]
    command += ["--report", str(report), "--requests", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done, json.loads(report.read_text())


def test_a_good_model_passes_with_figures(good):
    done, report = good
    assert (done.returncode, report["ok"], report["reasons"]) == (0, True, [])
    assert sorted(report["latency_ms"]) == ["generate", "generate_png", "serving_default"]
    for batches in report["latency_ms"].values():
        assert sorted(batches) == ["1", "8"]
        assert all(0 < figures["p50"] <= figures["p95"] < 5000 for figures in batches.values())
    assert report["signatures"]["generate"] == {
        "inputs": {"label": "int64[B]", "seed": "int64[B]"},
        "outputs": {"image": "uint8[B,8,8,1]"},
    }
    assert report["requests"] == 3 * 2 * 4 + 3 + 1 + 3 + 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("batch dependent", "output image of the same seed differs alone and inside a batch of 8"),
        ("wrong type", "output image is float32[1, 8, 8, 1], not uint8[B,H,W,C]"),
    ],
)
def test_a_broken_promise_is_a_reason(bad_generators, tmp_path, kind, reason):
    assert not check(bad_generators[kind], tmp_path / "r.json", requests=1)
    report = json.loads((tmp_path / "r.json").read_text())
    assert not report["ok"]
    assert any(reason in line for line in report["reasons"]), report["reasons"]


@pytest.fixture(scope="module")
def of_layers(tmp_path_factory):
    """Save a generator by its Keras layer, whose variables are saved as copies nobody reads."""
    import keras
    import tensorflow as tf

    layer, module = keras.layers.Dense(64), tf.Module()
    layer.build((None, 1))
    module.layer = layer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "seed")])
    def generate(seed):
        drawn = layer(tf.cast(seed, tf.float32)[:, None])
        return {"image": tf.cast(tf.reshape(tf.abs(drawn), [-1, 8, 8, 1]), tf.uint8)}

    folder = tmp_path_factory.mktemp("layers")
    tf.saved_model.save(module, str(folder), signatures={"generate": generate})
    return folder


def test_what_tensorflow_serving_could_not_restore_is_a_reason(of_layers, tmp_path):
    assert not check(of_layers, tmp_path / "r.json", requests=1)
    reason, what_to_do = json.loads((tmp_path / "r.json").read_text())["reasons"]
    assert reason.startswith("signature generate: FAILED_PRECONDITION: Could not find variable")
    assert "save the variables themselves" in what_to_do


def test_a_model_that_does_not_load_is_a_reason(generator_dir, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(generator_dir, broken, ignore=shutil.ignore_patterns("variables"))
    assert not check(broken, tmp_path / "r.json")
    (reason,) = json.loads((tmp_path / "r.json").read_text())["reasons"]
    assert reason.startswith("no version of model 'candidate'")
    assert "variables" in reason


def test_an_empty_folder_and_a_time_limit_are_reasons(tmp_path, generator_dir):
    (tmp_path / "empty").mkdir()
    assert not check(tmp_path / "empty", tmp_path / "r.json")
    reasons = json.loads((tmp_path / "r.json").read_text())["reasons"]
    assert reasons == [f"no saved_model.pb in {tmp_path / 'empty'}"]
    assert not check(generator_dir, tmp_path / "r.json", limit_s=0.5)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["reasons"] == ["not finished within the time limit of 0.5 s"]
    assert report["total_s"] < 5


def test_usage_mistakes_write_no_report(tmp_path, generator_dir):
    with pytest.raises(ServingError, match="no such model folder"):
        check(tmp_path / "none", tmp_path / "r.json")
    with pytest.raises(ServingError, match="at least 1; got 0"):
        check(generator_dir, tmp_path / "r.json", requests=0)
    with pytest.raises(ServingError, match="cannot write"):
        check(generator_dir, tmp_path / "no" / "r.json", requests=1)
    assert list(tmp_path.iterdir()) == []
