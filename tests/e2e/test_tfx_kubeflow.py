"""The plain `tfx` command starts a run on a KFP API over real HTTP: no import of ours, no patch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STANDIN = ROOT / "tests" / "pipeline" / "cluster"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, STANDIN / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kfp() -> Iterator[Any]:
    store = _load("kfp_store")
    server = _load("kfp_standin").KfpServer(store.Store(), store.Refusal)
    yield server
    server.close()


def test_pipeline_create_and_run_create(kfp: Any, tmp_path: Path) -> None:
    runner = ROOT / "kubeflow" / "kubeflow_runner.py"
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("GENVISION_TFX_PLUGIN", None)

    def tfx(*words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [binaries / "tfx", *words, f"--endpoint={kfp.url}"],
            cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    created = tfx("pipeline", "create", f"--pipeline-path={runner}")
    assert "Detected Kubeflow." in created.stdout  # by the endpoint
    assert 'Pipeline "digits_cgan" created successfully.' in created.stdout

    words = ("run", "create", "--engine=kubeflow", "--pipeline-name=digits_cgan")
    started = tfx(*words, "--runtime-parameter=train_steps=60")
    (run,) = kfp.table("runs")
    assert run["runtime_config"]["parameters"] == {"train_steps": 60}
    assert f"{kfp.url}/#/runs/details/{run['run_id']}" in started.stdout

    upstream = tfx(*words, code=1, GENVISION_TFX_PLUGIN="off")
    assert "cannot import name 'kubeflow_dag_runner'" in upstream.stderr
    assert len(kfp.table("runs")) == 1
