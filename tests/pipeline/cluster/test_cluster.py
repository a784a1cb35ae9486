"""Pipelines, versions and runs on the stand-in: whole answers, nothing half-created."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cluster.client import Access
from pipeline.cluster.cluster import Cluster
from pipeline.cluster.errors import ClusterError
from trainer.errors import UserError


@pytest.fixture
def cluster(kfp: Any) -> Cluster:
    return Cluster(Access(kfp.url, "team-a"))


def test_create_update_start(kfp: Any, cluster: Cluster, package: Path) -> None:
    identity = cluster.create("small", package)
    first = cluster.newest(identity)
    second = cluster.update("small", package)
    assert second.version_id != first.version_id
    # Both were made in the same second of the server's clock: the one named later is the newest.
    assert cluster.newest(identity).version_id == second.version_id
    run = cluster.start("small", second, {"n": 3, "tag": "a"})
    (kept,) = kfp.table("runs")
    assert run.run_id == kept["run_id"]
    assert kept["pipeline_version_reference"]["pipeline_version_id"] == second.version_id
    assert kept["runtime_config"] == {
        "parameters": {"n": 3, "tag": "a"}, "pipeline_root": "gs://bucket/root",
    }  # fmt: skip


def test_two_updates_in_one_second(
    kfp: Any, cluster: Cluster, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.create("small", package)
    names = iter(["20261102030000", "20261102030000", "20261102030001"])
    clock = SimpleNamespace(strftime=lambda form: next(names), sleep=lambda seconds: None)
    monkeypatch.setattr("pipeline.cluster.cluster.time", clock)
    cluster.update("small", package)
    cluster.update("small", package)
    versions = [row["display_name"] for row in kfp.table("pipeline_versions")]
    assert versions == ["small", "small_20261102030000", "small_20261102030001"]


def test_a_taken_name_is_refused_before_the_upload(
    kfp: Any, cluster: Cluster, package: Path
) -> None:
    identity = cluster.create("small", package)
    kfp.requests.clear()
    with pytest.raises(ClusterError, match=f'"small" already exists. id="{identity}"'):
        cluster.create("small", package)
    assert not [request for request in kfp.requests if request.method == "POST"]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_create_leaves_nothing_behind(
    kfp: Any, cluster: Cluster, package: Path, failure: Any, status: int
) -> None:
    kfp.failures.append(failure("POST", "experiments", status))
    with pytest.raises(ClusterError, match=f"HTTP {status}"):
        cluster.create("small", package)
    assert not kfp.table("pipelines") and not kfp.table("pipeline_versions")


def test_delete_takes_every_page_and_the_schedules(
    kfp: Any, cluster: Cluster, package: Path
) -> None:
    identity = cluster.create("small", package)
    text = package.read_bytes()
    for number in range(130):
        kfp.store.upload_version(identity, f"small_{number}", text)
    version, experiment = cluster.newest(identity), cluster.experiment("small")
    for number in range(2):
        cluster.client.create_recurring_run(
            experiment, f"s{number}", cron_expression="0 0 3 * * 1", max_concurrency=1,
            no_catchup=True, params={"n": 1, "tag": ""}, pipeline_id=identity,
            version_id=version.version_id,
        )  # fmt: skip
    assert cluster.delete("small") == 2
    for name in ("pipelines", "pipeline_versions", "recurring_runs", "experiments"):
        assert not kfp.table(name)


def test_lists_follow_the_pages(kfp: Any, cluster: Cluster, package: Path) -> None:
    text = package.read_bytes()
    for number in range(205):
        kfp.store.upload(f"p{number}", text)
    assert len({item.display_name for item in cluster.pipelines()}) == 205


def test_unknown_and_doubled_names(kfp: Any, cluster: Cluster, package: Path) -> None:
    with pytest.raises(ClusterError, match='Cannot find pipeline "none"') as caught:
        cluster.update("none", package)
    assert caught.value.status == 404
    row = kfp.store.upload("small", package.read_bytes())
    kfp.store.tables["pipelines"]["other"] = row
    with pytest.raises(UserError, match="several pipelines"):
        cluster.get("small")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("schemaVersion: 2.1.0", "schemaVersion: 2.0.0", "schemaVersion is '2.0.0', not 2.1.0"),
        ("schemaVersion:", "schemaVersions:", "schemaVersions"),
        ("name: small", "name: Small_One", "has other signs than"),
        ("root:", "root: [", "not YAML"),
    ],
)
def test_a_package_edited_by_hand_is_not_sent(
    kfp: Any, cluster: Cluster, package: Path, old: str, new: str, why: str
) -> None:
    package.write_text(package.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match="compile it anew") as caught:
        cluster.create("small", package)
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert [request.path for request in kfp.requests] == ["/apis/v2beta1/healthz"]


def test_the_stand_in_refuses_bad_packages_too(kfp: Any, package_spec: dict[str, Any]) -> None:
    refuse = type(kfp.store).upload
    for text in (b"a: 1", b"{", str({**package_spec, "schemaVersion": "2.0.0"}).encode()):
        with pytest.raises(kfp.refusal, match="unknown template format"):
            refuse(kfp.store, "small", text)
