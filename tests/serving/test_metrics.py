"""Prometheus: TensorFlow Serving's names, memory, and what strangers cannot add."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import grpc
import pytest
from tensorflow.core.example import example_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc, regression_pb2

from serving.client import Client
from serving.errors import RequestError
from serving.model_server import serve_folder
from serving.options import METRICS_PATH

S = ":tensorflow:serving:"


def scrape(server) -> dict[tuple[str, str], float]:
    """Return every sample by name and its labels' values, in the order of the labels' names."""
    url = f"http://127.0.0.1:{server.rest_port}{METRICS_PATH}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    samples = {}
    # By hand: the client library's parser puts a _total behind counters whether it is there or not.
    for name, labels, value in re.findall(r"^([a-zA-Z_:]+)(?:{(.*)})? (\S+)$", text, re.MULTILINE):
        by_name = sorted(re.findall(r'(\w+)="([^"]*)"', labels))
        samples[name, " ".join(value for _, value in by_name)] = float(value)
    return samples


def test_requests_are_counted_and_timed_under_tensorflow_servings_names(server):
    before = scrape(server)
    with Client(server.target, "digits") as client:
        client.generate([1, 2, 3], [1, 1, 1])
        client.generate([1], [1])
        with pytest.raises(RequestError):
            client.caption([b""])
    with Client(f"http://127.0.0.1:{server.rest_port}", "digits") as client:
        client.generate([1], [1])
    with grpc.insecure_channel(server.target) as channel:
        asked = regression_pb2.RegressionRequest(
            model_spec={"name": "kit", "signature_name": "lengths"},
            input={"example_list": {"examples": [example_pb2.Example()] * 2}},
        )
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Regress(asked, timeout=10)
    after = scrape(server)

    def gained(name: str, labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0.0)

    assert gained(S + "request_count", "digits OK") == 3
    assert gained(S + "request_count", "digits FAILED_PRECONDITION") == 1
    assert gained(S + "request_latency_count", "Predict GRPC digits") == 2
    assert gained(S + "request_latency_count", "predict REST digits") == 1
    assert gained(S + "request_latency_sum", "Predict GRPC digits") > 500
    assert gained(S + "runtime_latency_count", "Predict digits TF1") == 3
    assert gained(S + "runtime_latency_count", "Regress kit TF1") == 1
    assert gained(S + "request_example_counts_sum", "digits") == 5
    assert gained(S + "request_example_counts_sum", "kit") == 2
    assert gained("serving_signature_requests_total", "digits generate 3") == 3
    assert gained(":tensorflow:core:graph_runs", "") == 4
    bounds = [
        float(labels.split()[2])
        for name, labels in after
        if name == S + "request_latency_bucket" and labels.startswith("Predict GRPC")
    ]
    assert bounds[:3] == [10.0, 18.0, pytest.approx(32.4)]
    assert len(bounds) == 34


def test_memory_is_shown_per_version_and_in_total(server):
    shown = scrape(server)
    folder = server.core.models()["digits"].settings.base_path / "3"
    files = [folder / "saved_model.pb", *folder.glob("variables/variables.data*")]
    assert len(files) == 2
    size = sum(file.stat().st_size for file in files)
    assert shown["serving_model_memory_bytes", "digits 3"] == size
    each = [size for (name, _), size in shown.items() if name == "serving_model_memory_bytes"]
    assert len(each) == 3
    assert shown["serving_models_memory_bytes", ""] == sum(each)
    assert shown["process_resident_memory_bytes", ""] > 50e6
    assert shown["serving_model_state", "kit 1"] == 30
    loads = {labels for name, labels in shown if name.endswith("saved_model:load_attempt_count")}
    assert any(labels.endswith("digits/3 success") for labels in loads)


def test_names_of_strangers_make_no_series(server):
    for version in (None, "made-up-label"):  # NOT_FOUND, INVALID_ARGUMENT
        with Client(server.target, "made-up-name") as client, pytest.raises(RequestError):
            client.generate([1], [1], version=version)
    shown = scrape(server)
    assert not [labels for _, labels in shown if "made-up-name" in labels]
    assert shown[S + "request_count", " NOT_FOUND"] >= 1


def test_metrics_can_be_off(tmp_path, generator_dir, push):
    push(generator_dir, tmp_path / "m", 1)
    with (
        serve_folder("m", tmp_path / "m", port=0, rest_port=0, metrics_path=None) as server,
        pytest.raises(urllib.error.HTTPError, match="404"),
    ):
        scrape(server)
