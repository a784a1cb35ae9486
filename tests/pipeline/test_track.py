"""A run in MLflow's own store: settings, scores, files, and its version in the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline import track
from trainer.errors import UserError


@pytest.fixture
def store(tmp_path: Path, monkeypatch) -> str:
    # The small client has no database; its file store stands in for a tracking server.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlruns").as_uri()


def test_a_run_is_recorded_once_with_everything(output: Path, store: str) -> None:
    said = track.record("toy_gan:1", store, output=str(output))
    client = MlflowClient(store, store)
    experiment = client.get_experiment_by_name("toy_gan")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id in said and run.info.status == "FINISHED"
    assert run.data.params["train.steps"] == "100"
    assert run.data.metrics["fid_toy_1k"] == 0.25 and run.data.metrics["fid_toy_1k_error"] == 0.01
    assert "seconds/Trainer" in run.data.metrics and run.data.tags["verdict"] == "blessed"
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"report.html", "samples.png", "evaluation.json"}
    version = client.get_model_version_by_alias("toys", "newest")
    assert version.tags["served_as"] == "17" and version.source.endswith("/serving/toys/17")
    assert "recorded already" in track.record("toy_gan:1", store, output=str(output))
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_torn_record_is_written_anew(output: Path, store: str, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            track.record("toy_gan:1", store, output=str(output))
    assert "is MLflow run" in track.record("toy_gan:1", store, output=str(output))
    client = MlflowClient(store, store)
    found = client.search_runs([client.get_experiment_by_name("toy_gan").experiment_id])
    assert [run.info.status for run in found] == ["FINISHED"]


def test_a_later_run_of_the_same_version_makes_no_second_one(output: Path, store: str) -> None:
    track.record("toy_gan:1", store, "mine", str(output))
    track.record("toy_gan:2", store, "mine", str(output))
    track.record("toy_gan:3", store, "mine", str(output))
    client = MlflowClient(store, store)
    assert len(client.search_model_versions("name = 'toys'")) == 1
    assert len(client.search_runs([client.get_experiment_by_name("mine").experiment_id])) == 3


def test_what_cannot_be_reached_is_one_line(output: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=r"MLflow at http\S+ did not take toy_gan:1") as e:
        track.record("toy_gan:1", "http://127.0.0.1:9", output=str(output))
    assert "\n" not in str(e.value)
