"""Which engine `--engine=auto` means, and that all others are left to TFX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster import engine, plugin


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("LOCAL_HOME", "BEAM_HOME", "KUBEFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from pipeline.runners.kubeflow.runner import KubeflowDagRunner as R", "kubeflow"),
        ("import tfx.v1 as t\nt.orchestration.LocalDagRunner().run(p)", "local"),
        ("from pipeline.runners.local import LocalRunner", "local"),
        ("KubeflowV2DagRunner(config)", "vertex"),
        ("BeamDagRunner()", "beam"),
        ("LocalDagRunner if x else KubeflowDagRunner", ""),
        ("print('no runner here')", "kubeflow"),
        ("this is no Python", "kubeflow"),
    ],
)
def test_by_the_pipeline_file(tmp_path: Path, text: str, wanted: str) -> None:
    file = tmp_path / "dsl.py"
    file.write_text(text)
    assert engine.detect({"engine": "auto", "pipeline_dsl_path": str(file)}) == wanted


def test_by_where_the_pipeline_is_kept(home: Path) -> None:
    flags = {"engine": "auto", "pipeline_name": "p"}
    assert engine.detect(flags) == "kubeflow"
    (home / "tfx/local/p").mkdir(parents=True)
    assert engine.detect(flags) == "local"
    assert engine.detect({**flags, "endpoint": "http://kfp"}) == "kubeflow"
    (home / "tfx/kubeflow/p").mkdir(parents=True)
    assert engine.detect(flags) == "kubeflow"


def test_airflow_beside_kfp_is_for_tfx_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_installed", lambda name: True)
    assert engine.detect({"engine": "auto"}) == ""


@pytest.mark.parametrize("name", ["local", "beam", "vertex", "airflow", "auto", "nonsense"])
def test_other_engines_go_to_tfx_untouched(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "_installed", lambda name: False)
    flags: dict[str, Any] = {"engine": name}
    handler = object()
    seen = []
    assert (
        engine.create_handler(flags, lambda given: seen.append(dict(given)) or handler) is handler
    )
    assert seen == [{"engine": name}] and capsys.readouterr().out == ""


def test_auto_says_what_it_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "tfx/local/p").mkdir(parents=True)
    flags = {"engine": "auto", "pipeline_name": "p"}
    engine.create_handler(flags, dict)
    assert flags["engine"] == "local"
    assert capsys.readouterr().out == (
        "Detected Local.\nUse --engine flag if you intend to use a different orchestrator.\n"
    )


def test_a_replaced_hook_says_how_to_repair_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "trouble", lambda: "another installation answers; repair: this")
    with pytest.raises(SystemExit, match="cannot start: another installation answers; repair"):
        engine.create_handler({"engine": "kubeflow"}, dict)
