"""`genvision schedule` on a cluster: what KFP is asked for, and what a person reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline import cli
from trainer.errors import UserError

Run = Callable[..., str]
MONDAYS = ("--cron", "0 3 * * 1")
GIVEN = ("--param", "n=3", "--param", "tag=weekly")


@pytest.fixture
def genvision(kfp: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of ours against the stand-in; a failed one returns its line."""
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp.url)

    def run(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli.cli, words, standalone_mode=False)
        if fails:
            assert isinstance(result.exception, UserError), result.exception
            return str(result.exception)
        assert result.exception is None, result.exception
        return result.stdout

    return run


@pytest.fixture
def uploaded(kfp: Any, package: Path) -> dict[str, Any]:
    """Have the pipeline of the default recipe on the cluster."""
    kfp.store.create_experiment({"display_name": "digits_cgan"})
    return kfp.store.upload("digits_cgan", package.read_bytes())


def test_create(kfp: Any, genvision: Run, uploaded: dict[str, Any]) -> None:
    said = genvision("schedule", "create", "digits_cgan", *MONDAYS, *GIVEN)
    (made,) = kfp.table("recurring_runs")
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", True, "ENABLE")
    assert made["runtime_config"] == {
        "parameters": {"n": 3, "tag": "weekly"}, "pipeline_root": "gs://bucket/root",
    }  # fmt: skip
    assert made["pipeline_version_reference"] == {"pipeline_id": uploaded["pipeline_id"]}
    link = f"{kfp.url}/#/recurringrun/details/{made['recurring_run_id']}"
    lines = said.splitlines()
    assert lines[0] == f"schedule {link}"
    assert lines[1].startswith("runs     the newest version at each start, one at a time")
    assert lines[2].startswith("when     At 03:00 on Monday, next Mon ")
    assert "with no new data nothing is trained" in lines[3]


def test_list_pause_resume_delete(kfp: Any, genvision: Run, uploaded: dict[str, Any]) -> None:
    assert "no schedule yet: genvision schedule create" in genvision(
        "schedule", "list", "digits_cgan"
    )
    genvision("schedule", "create", "digits_cgan", *MONDAYS, *GIVEN, "--pin")
    (made,) = kfp.table("recurring_runs")
    assert made["pipeline_version_reference"].keys() == {"pipeline_id", "pipeline_version_id"}
    identity = made["recurring_run_id"]
    said = genvision("schedule", "list", "digits_cgan").splitlines()
    assert said[1].split("  ") == [
        "digits_cgan", "active", "At 03:00 on Monday", "n=3, tag=weekly", identity,
    ]  # fmt: skip
    assert "paused" in genvision("schedule", "pause", "digits_cgan")
    assert made["status"] == "DISABLED"
    assert " paused " in genvision("schedule", "list", "digits_cgan")
    genvision("schedule", "resume", "digits_cgan")
    assert made["status"] == "ENABLED"
    assert "schedule 'digits_cgan' deleted" in genvision("schedule", "delete", "digits_cgan")
    assert not kfp.table("recurring_runs")


def test_run_now_starts_what_the_schedule_would(
    kfp: Any, genvision: Run, uploaded: dict[str, Any], package: Path
) -> None:
    genvision("schedule", "create", "digits_cgan", *MONDAYS, *GIVEN)
    newer = kfp.store.upload_version(uploaded["pipeline_id"], "later", package.read_bytes())
    said = genvision("schedule", "run-now", "digits_cgan")
    (run,) = kfp.table("runs")
    assert said == f"run      {kfp.url}/#/runs/details/{run['run_id']}\n"
    assert run["runtime_config"]["parameters"] == {"n": 3, "tag": "weekly"}
    reference = run["pipeline_version_reference"]
    assert reference["pipeline_version_id"] == newer["pipeline_version_id"]


def test_replace_never_leaves_none(
    kfp: Any, genvision: Run, uploaded: dict[str, Any], failure: Any
) -> None:
    genvision("schedule", "create", "digits_cgan", *MONDAYS, *GIVEN)
    (old,) = kfp.table("recurring_runs")
    wrong = genvision("schedule", "replace", "digits_cgan", "--cron", "@daily", fails=True)
    assert "'n' has no default" in wrong and kfp.table("recurring_runs") == [old]
    kfp.failures.append(failure("DELETE", f"recurringruns/{old['recurring_run_id']}", 500))
    refused = genvision(
        "schedule", "replace", "digits_cgan", "--cron", "@daily", *GIVEN, fails=True
    )
    assert "HTTP 500" in refused and kfp.table("recurring_runs") == [old]
    kfp.failures.clear()
    genvision("schedule", "replace", "digits_cgan", "--cron", "@daily", *GIVEN)
    (new,) = kfp.table("recurring_runs")
    assert new["trigger"] == {"cron_schedule": {"cron": "0 0 0 * * *"}}


def test_mistakes(kfp: Any, genvision: Run, uploaded: dict[str, Any]) -> None:
    genvision("schedule", "create", "digits_cgan", *MONDAYS, *GIVEN)
    create = ("schedule", "create", "digits_cgan")
    cases = {
        "use `genvision schedule replace`": (*create, *MONDAYS, *GIVEN),
        "'n' is 'x': give a whole number": (
            *create, *MONDAYS, "--param", "n=x", "--param", "tag=a", "--name=b",
        ),
        "leave out the seconds": (*create, "--cron", "0 0 3 * * 1", "--name=b"),
        "--set does not reach": (*create, *MONDAYS, "--set", "train.steps=3"),
        "no schedule 'b' for 'digits_cgan': known: digits_cgan":
            ("schedule", "pause", "digits_cgan", "--name=b"),
        "unknown recipe 'digits'": ("schedule", "create", "digits", *MONDAYS),
    }  # fmt: skip
    for why, words in cases.items():
        assert why in genvision(*words, fails=True)
    assert len(kfp.table("recurring_runs")) == 1


def test_a_pipeline_that_is_not_there(kfp: Any, genvision: Run) -> None:
    said = genvision("schedule", "create", "digits_cgan", *MONDAYS, fails=True)
    assert 'Cannot find pipeline "digits_cgan"' in said
    assert not any(kfp.store.tables.values())


def test_without_cache_every_start_trains(
    kfp: Any, genvision: Run, tmp_path: Path, package: Path
) -> None:
    text = Path("pipeline/configs/digits_cgan.yaml").read_text("utf-8")
    recipe = tmp_path / "always.yaml"
    recipe.write_text(f"{text}\ncache: false\n")
    kfp.store.upload("always", package.read_bytes())
    said = genvision("schedule", "create", str(recipe), *MONDAYS, *GIVEN)
    assert "gate     cache: false in this recipe: every start trains anew" in said
