"""ServingCheck: a blessing that Pusher reads, and a verdict however the check ends."""

import json
import subprocess

import pytest
import tensorflow as tf
from tfx.components.util import model_utils
from tfx.types import standard_artifacts

from components.serving_check import executor


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A Model artifact's folder with a generator of uniform noise, all signatures."""
    root = tmp_path_factory.mktemp("generator")
    module = tf.Module()

    def one(seed):
        return tf.cast(
            tf.random.stateless_uniform((8, 8, 1), [seed, 7], 0, 256, tf.int32), tf.uint8
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "seed")])
    def generate(seed):
        return {"image": tf.map_fn(one, seed, fn_output_signature=tf.uint8)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64, "seed")])
    def generate_png(seed):
        images = generate(seed)["image"]
        return {"png": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    module.generate, module.generate_png = generate, generate_png
    signatures = {
        "serving_default": generate,
        "generate": generate,
        "generate_png": generate_png,
    }
    tf.saved_model.save(module, str(root / "Format-Serving"), signatures=signatures)
    return root


def bless(model_root, folder):
    model, blessing = standard_artifacts.Model(), standard_artifacts.InfraBlessing()
    model.uri, blessing.uri = str(model_root), str(folder / "blessing")
    outputs = {"blessing": [blessing]}
    executor.Executor().Do({"model": [model]}, outputs, {"requests": 1})
    files = {path.name for path in (folder / "blessing").iterdir()}
    return blessing, files, json.loads((folder / "blessing" / executor.REPORT).read_text())


def test_a_model_that_answers_is_blessed(generator, tmp_path):
    blessing, files, report = bless(generator, tmp_path)
    assert report["ok"], report["reasons"]
    assert files == {"INFRA_BLESSED", executor.REPORT}
    assert model_utils.is_infra_validated(blessing)
    assert report["latency_ms"]


def test_a_folder_without_a_model_is_not_blessed(tmp_path):
    (tmp_path / "model").mkdir()
    blessing, files, report = bless(tmp_path / "model", tmp_path)
    assert files == {"INFRA_NOT_BLESSED", executor.REPORT}
    assert not model_utils.is_infra_validated(blessing)
    assert blessing.get_string_custom_property("reasons") == "; ".join(report["reasons"]) != ""


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (subprocess.CompletedProcess([], -9, "", ""), "the check broke (exit -9): no message"),
        (subprocess.CompletedProcess([], 1, "", "a\nlast"), "the check broke (exit 1): last"),
        (subprocess.TimeoutExpired([], 210), "no end after 210 s"),
    ],
    ids=["killed", "crashed", "hung"],
)
def test_a_check_that_breaks_is_a_reason(monkeypatch, tmp_path, ending, words):
    def run(*_, **__):
        if isinstance(ending, Exception):
            raise ending
        return ending

    monkeypatch.setattr(subprocess, "run", run)
    found = executor.check(str(tmp_path), 1, tmp_path / "report.json")
    assert found["ok"] is False and words in found["reasons"][0]
    assert json.loads((tmp_path / "report.json").read_text()) == found


def test_a_report_from_before_is_not_believed(monkeypatch, tmp_path):
    report = tmp_path / "report.json"
    report.write_text('{"ok": true, "reasons": []}')
    ending = subprocess.CompletedProcess([], 1, "", "crashed early")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ending)
    assert executor.check(str(tmp_path), 1, report)["reasons"] == [
        "the check broke (exit 1): crashed early"
    ]
