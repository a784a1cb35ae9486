"""`genvision submit` and `status` against the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cluster import submit, watch
from pipeline.cluster.client import Access
from pipeline.cluster.cluster import Cluster
from trainer.errors import RunFailed, UserError

Run = Callable[..., str]


def test_an_equal_package_is_not_sent_twice(kfp: Any, package: Path) -> None:
    cluster = Cluster(Access(kfp.url))
    first = submit.upload_package(cluster, "small", package)
    again = submit.upload_package(cluster, "small", package)
    package.write_text(package.read_text().replace("image: x:1", "image: x:2"))
    changed = submit.upload_package(cluster, "small", package)
    assert [first.how, again.how, changed.how] == ["created", "unchanged", "updated"]
    assert first.version == again.version != changed.version
    assert len(kfp.table("pipeline_versions")) == 2


@pytest.mark.slow
def test_submit_the_default_recipe(kfp: Any, genvision: Run) -> None:
    kfp.script = ["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]
    words = ("submit", "digits_cgan", "--image", "registry/genvision:1", "--poll", "0.01")
    said = genvision(*words, "--param", "train.steps=7")
    (pipeline,), (run,) = kfp.table("pipelines"), kfp.table("runs")
    assert run["runtime_config"]["parameters"] == {"train_steps": 7}
    lines = said.splitlines()
    assert lines[0] == f"pipeline created: {kfp.url}/#/pipelines/details/{pipeline['pipeline_id']}"
    assert lines[1] == f"run      {kfp.url}/#/runs/details/{run['run_id']}"
    assert lines[2].split() == ["NODE", "STATE", "SECONDS"]
    shown = [line.split()[0] for line in lines[3:-1]]
    assert shown.index("TfdsExampleGen") < shown.index("Trainer") < shown.index("Pusher")
    assert "Trainer              succeeded  42" in said
    assert lines[-1] == "done     succeeded"
    assert genvision(*words[:4], "--upload-only").startswith("pipeline unchanged: ")
    assert len(kfp.table("runs")) == 1


def test_submit_leaves_nothing_when_it_cannot_start(kfp: Any, genvision: Run) -> None:
    image = "kubernetes.image"
    assert image in genvision("submit", "digits_cgan", fails=UserError)
    words = ("submit", "digits_cgan", "--image", "registry/genvision")
    assert "without a tag" in genvision(*words, fails=UserError)
    assert not any(kfp.store.tables.values())


def test_status(kfp: Any, genvision: Run, started: str) -> None:
    kfp.script = ["RUNNING"]
    said = genvision("status", "small")
    assert said.splitlines() == [
        f"run      {kfp.url}/#/runs/details/{started}",
        "state    running, created 2026-11-02 03:00:00 UTC",
        "NODE   STATE    SECONDS",
        "hello  running  -",
    ]
    kfp.script = ["FAILED"]
    said = genvision("status", started)
    assert "hello  failed  42" in said
    assert f"error    run {started} failed at hello: exit code 1" in said


def test_waiting_for_a_run_that_fails(kfp: Any, genvision: Run, started: str) -> None:
    kfp.script = ["RUNNING", "RUNNING", "FAILED"]
    said = genvision("status", started, "--wait", "--poll", "0.01", fails=RunFailed)
    assert said == f"run {started} failed at hello: exit code 1"


def test_waiting_outlives_a_short_outage(
    kfp: Any, started: str, failure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(Access(kfp.url))
    pauses = iter(range(100))

    def pause(seconds: float) -> None:
        kfp.failures[:] = [failure("GET", "/runs/", 503)] if next(pauses) < 3 else []

    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=pause))
    kfp.script = ["RUNNING", "SUCCEEDED"]
    assert watch.wait(cluster, started).state == "SUCCEEDED"
    assert next(pauses) == 4


def test_runs_that_are_not_there(kfp: Any, genvision: Run, package: Path) -> None:
    unknown = "01234567-0123-0123-0123-0123456789ab"
    assert f"there is no run '{unknown}'" in genvision("status", unknown, fails=UserError)
    assert 'Cannot find pipeline "none"' in genvision("status", "none", fails=UserError)
    kfp.store.upload("small", package.read_bytes())
    assert "'small' has no run yet" in genvision("status", "small", fails=UserError)
