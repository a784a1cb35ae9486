"""TFX's own command line runs the same pipeline with its local engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_pipeline_create_and_run_create(tmp_path: Path) -> None:
    runner = (ROOT / "kubeflow" / "local_runner.py").read_text()
    settings = [
        "train.steps=20",
        "evaluate.samples=500",
        "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 1000}]",
    ]
    marker = "OVERRIDES: list[str] = []"
    assert marker in runner
    (tmp_path / "runner.py").write_text(runner.replace(marker, f"OVERRIDES = {settings!r}"))
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "HOME": str(tmp_path),  # where the command remembers pipelines
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }

    def tfx(*args: str) -> str:
        done = subprocess.run(
            [binaries / "tfx", *args, "--engine=local"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    created = tfx("pipeline", "create", "--pipeline-path=runner.py")
    assert 'Pipeline "digits_cgan" created successfully.' in created
    tfx("run", "create", "--pipeline-name=digits_cgan")
    versions = list((tmp_path / "runs" / "digits_cgan" / "serving" / "digits").iterdir())
    assert len(versions) == 1 and (versions[0] / "saved_model.pb").is_file()
    # Ours is reviewed by people, where TFX's command looks for a generated one.
    assert "SCHEMA FOR DIGITS_CGAN" in tfx("pipeline", "schema", "--pipeline-name=digits_cgan")
    assert 'name: "label"' in (tmp_path / "schema.pbtxt").read_text()
