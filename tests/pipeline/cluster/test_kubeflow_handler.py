"""The `tfx` command's kubeflow engine in process, against the stand-in: outputs, codes, rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cluster import image

DSL = """
from tfx import v1 as tfx
from pipeline.runners.kubeflow.runner import KubeflowDagRunner, KubeflowDagRunnerConfig

source = tfx.dsl.Importer(
    source_uri=tfx.dsl.experimental.RuntimeParameter(name="source", ptype=str, default="/data"),
    artifact_type=tfx.types.standard_artifacts.Examples,
).with_id("Source")
config = KubeflowDagRunnerConfig(image="registry/small:1", output_path="out/mine.yaml")
root = "gs://bucket/root"
KubeflowDagRunner(config).run(
    tfx.dsl.Pipeline(pipeline_name="small_one", pipeline_root=root, components=[source])
)
"""
OLD_DSL = """
from tfx import v1 as tfx
from tfx.orchestration.kubeflow import kubeflow_dag_runner

config = kubeflow_dag_runner.KubeflowDagRunnerConfig(
    kubeflow_metadata_config=kubeflow_dag_runner.get_default_kubeflow_metadata_config(),
    tfx_image="registry/old:1",
)
source = tfx.dsl.Importer(source_uri="/data", artifact_type=tfx.types.standard_artifacts.Examples)
kubeflow_dag_runner.KubeflowDagRunner(config=config, output_filename="old.tar.gz").run(
    tfx.dsl.Pipeline(pipeline_name="old", pipeline_root="/root", components=[source.with_id("S")])
)
"""
V1_DSL = """
from tfx import v1 as tfx

experimental = tfx.orchestration.experimental
config = experimental.KubeflowDagRunnerConfig(
    kubeflow_metadata_config=experimental.get_default_kubeflow_metadata_config(),
    tfx_image="registry/old:1",
)
source = tfx.dsl.Importer(source_uri="/data", artifact_type=tfx.types.standard_artifacts.Examples)
labels = {"add-pod-env": "true", experimental.LABEL_KFP_SDK_ENV: "tfx-template"}
experimental.KubeflowDagRunner(config=config, pod_labels_to_attach=labels).run(
    tfx.dsl.Pipeline(pipeline_name="v1", pipeline_root="/root", components=[source.with_id("S")])
)
"""
Tfx = Callable[..., str]


@pytest.fixture
def tfx(
    kfp: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package_spec: dict[str, Any]
) -> Tfx:
    """Run a `tfx` command in a folder of its own, with the plug-in and the stand-in's address."""
    from pipeline.cluster import plugin

    monkeypatch.delenv(plugin.SWITCH, raising=False)
    plugin.install()
    from tfx.tools.cli.cli_main import cli_group

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp.url)
    monkeypatch.chdir(tmp_path)
    Path("dsl.py").write_text(DSL)

    def run(*words: str, code: int = 0, engine: str = "kubeflow") -> str:
        """Return what was said; of a failed command the one line on standard error."""
        result = CliRunner().invoke(cli_group, [*words, f"--engine={engine}"])
        assert result.exit_code == code, (result.output, result.exception)
        if code == 0:
            return result.stdout
        assert isinstance(result.exception, SystemExit)
        line = str(result.exception.code)
        assert "\n" not in line
        return line

    return run


@pytest.fixture
def created(tfx: Tfx) -> Tfx:
    """Create the pipeline first."""
    tfx("pipeline", "create", "--pipeline-path=dsl.py")
    return tfx


def test_create_update_delete(kfp: Any, tfx: Tfx, tmp_path: Path) -> None:
    said = tfx("pipeline", "create", "--pipeline-path=dsl.py")
    (row,) = kfp.table("pipelines")
    assert said.splitlines()[:2] == ["CLI", "Creating pipeline"]
    link = f"{kfp.url}/#/pipelines/details/{row['pipeline_id']}"
    assert f"Please access the pipeline detail page at {link}" in said
    assert said.endswith('Pipeline "small_one" created successfully.\n')
    assert [row["display_name"] for row in kfp.table("experiments")] == ["small_one"]
    assert not list(tmp_path.glob("**/*.yaml"))  # the package was a temporary one

    again = tfx("pipeline", "create", "--pipeline-path=dsl.py", code=1)
    assert again.startswith('Pipeline "small_one" already exists. id="')

    said = tfx("pipeline", "update", "--pipeline_path=dsl.py")
    assert said.endswith('Pipeline "small_one" updated successfully.\n')
    assert len(kfp.table("pipeline_versions")) == 2

    said = tfx("pipeline", "delete", "--pipeline-name=small_one")
    assert said.endswith("Pipeline small_one deleted successfully.\n")
    assert not kfp.table("pipelines") + kfp.table("pipeline_versions") + kfp.table("experiments")
    missing = tfx("pipeline", "delete", "--pipeline-name=small_one", code=1)
    assert missing.startswith('Cannot find pipeline "small_one". Did you provide correct')


def test_compile_needs_no_cluster(kfp: Any, tfx: Tfx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:9")
    said = tfx("pipeline", "compile", "--pipeline-path=dsl.py")
    assert "Pipeline compiled successfully.\nPipeline package path: out/mine.yaml\n" in said
    assert Path("out/mine.yaml").is_file() and not kfp.requests


def test_build_image(kfp: Any, tfx: Tfx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("PATH", "")
    refused = tfx("pipeline", "create", "--pipeline-path=dsl.py", "--build-image", code=1)
    assert refused.endswith(
        "docker build --tag registry/small:1 --file Dockerfile . && docker push registry/small:1"
    )
    assert not any(kfp.store.tables.values())
    built = ("--build-image", "--build-base-image=base:1")
    monkeypatch.setattr(image, "build", lambda target, base: f"small@sha256:{'ab' * 32}")
    tfx("pipeline", "create", "--pipeline-path=dsl.py", *built)
    (version,) = kfp.table("pipeline_versions")
    assert f"small@sha256:{'ab' * 32}" in json.dumps(version["pipeline_spec"])


def test_files_of_before_1_16(kfp: Any, tfx: Tfx) -> None:
    Path("old.py").write_text(OLD_DSL)
    said = tfx("pipeline", "compile", "--pipeline-path=old.py")
    assert "Pipeline package path: old.yaml" in said and Path("old.yaml").is_file()
    Path("old.py").write_text(V1_DSL)
    assert "package path: v1.yaml" in tfx("pipeline", "compile", "--pipeline-path=old.py")
    assert "grpc://metadata-grpc-service.kubeflow:8080" in Path("v1.yaml").read_text()
    Path("old.py").write_text(OLD_DSL.replace("tfx_image", "pipeline_operator_funcs"))
    refused = tfx("pipeline", "compile", "--pipeline-path=old.py", code=1)
    assert "KubeflowDagRunnerConfig(kubernetes=" in refused


def test_list_pipelines(kfp: Any, tfx: Tfx, package: Path) -> None:
    assert "No pipelines to display." in tfx("pipeline", "list")
    for number in range(120):
        kfp.store.upload(f"p{number}", package.read_bytes())
    said = tfx("pipeline", "list")
    assert "'p0'" in said and "'p119'" in said


def test_runs(kfp: Any, created: Tfx) -> None:
    assert "No runs found." in created("run", "list", "--pipeline-name=small_one")
    name = "--pipeline-name=small_one"
    said = created("run", "create", name, "--runtime-parameter=source=/other")
    (run,) = kfp.table("runs")
    assert run["runtime_config"]["parameters"] == {"source": "/other"}
    assert run["runtime_config"]["pipeline_root"] == "gs://bucket/root"
    assert "Run created for pipeline: small_one" in said
    header = "| pipeline_name | run_id                               | status  | created_at "
    assert header in said and f"{kfp.url}/#/runs/details/{run['run_id']}" in said
    assert "| PENDING | 2026-11-02T03:00:00+00:00 |" in said

    assert run["run_id"] in created("run", "list", name)
    run.update(state="FAILED", error={"code": 9, "message": "the gate refused"})
    status = created("run", "status", name, f"--run-id={run['run_id']}")
    assert "| FAILED " in status and "Error: the gate refused" in status
    over = created("run", "terminate", f"--run-id={run['run_id']}", code=1)
    assert over == f'Run "{run["run_id"]}" is not running.'
    run["state"] = "RUNNING"
    assert "Run terminated." in created("run", "terminate", f"--run-id={run['run_id']}")
    assert "Run deleted." in created("run", "delete", f"--run-id={run['run_id']}")
    assert not kfp.table("runs")
    for verb in ("terminate", "delete", "status"):
        words = [name] if verb == "status" else []
        gone = created("run", verb, *words, f"--run-id={run['run_id']}", code=1)
        assert gone == f'Cannot find run "{run["run_id"]}".'


def test_more_runs_than_a_page(kfp: Any, created: Tfx) -> None:
    name = "--pipeline-name=small_one"
    created("run", "create", name)
    (run,) = kfp.table("runs")
    for number in range(130):
        kfp.store.tables["runs"][str(number)] = {**run, "run_id": f"run-{number}"}
    said = created("run", "list", name)
    assert "run-0 " in said and "run-129 " in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--runtime-parameter=sauce=1"], "did you mean 'source'?"),
        (["--runtime-parameter=source.x=1"], "known: metadata, pipeline_root, source"),
    ],
)
def test_wrong_parameters(kfp: Any, created: Tfx, words: list[str], why: str) -> None:
    refused = created("run", "create", "--pipeline-name=small_one", *words, code=1)
    assert why in refused and not kfp.table("runs")


@pytest.mark.parametrize("status", [401, 403, 409, 500])
def test_server_says_no(kfp: Any, tfx: Tfx, failure: Any, status: int) -> None:
    kfp.failures.append(failure("POST", "upload", status))
    refused = tfx("pipeline", "create", "--pipeline-path=dsl.py", code=1)
    assert f"HTTP {status}" in refused
    assert not any(kfp.store.tables.values())


def test_endpoint_of_create_is_remembered(
    kfp: Any, tfx: Tfx, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT")
    refused = tfx("pipeline", "list", code=1)
    assert refused.startswith("no endpoint: give --endpoint URL")
    tfx("pipeline", "create", "--pipeline-path=dsl.py", f"--endpoint={kfp.url}")
    kept = json.loads(
        (tmp_path / "home/tfx/kubeflow/small_one/pipeline_args.json").read_text("utf-8")
    )
    assert kept["pipeline_root"] == "gs://bucket/root"
    said = tfx("run", "list", "--pipeline-name=small_one")
    assert f'Endpoint of pipeline "small_one": {kfp.url}' in said and "No runs found." in said


def test_schema(kfp: Any, tfx: Tfx, tmp_path: Path) -> None:
    root = tmp_path / "root"
    Path("dsl.py").write_text(DSL.replace("gs://bucket/root", str(root)))
    tfx("pipeline", "create", "--pipeline-path=dsl.py")
    words = ("pipeline", "schema", "--pipeline-name=small_one")
    assert tfx(*words, code=1).startswith("Create a run before inferring schema.")
    root.mkdir()
    assert tfx(*words, code=1).startswith("Either SchemaGen component does not exist")
    for number in ("9", "10"):
        folder = root / "SchemaGen" / "schema" / number
        folder.mkdir(parents=True)
        (folder / "schema.pbtxt").write_text(f"# {number}")
    said = tfx(*words)
    assert "*********SCHEMA FOR SMALL_ONE**********\n# 10" in said
    assert Path("schema.pbtxt").read_text() == "# 10"
    reviewed = root / "ReviewedSchema" / "schema" / "11"
    reviewed.mkdir(parents=True)
    (reviewed / "schema.pbtxt").write_text("# reviewed")
    assert "*********SCHEMA FOR SMALL_ONE**********\n# reviewed" in tfx(*words)
    assert Path("schema.pbtxt").read_text() == "# reviewed"
