"""A KFP API on loopback and a small valid package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pipeline import cli
from pipeline.cluster import submit
from pipeline.cluster.client import Access
from pipeline.cluster.cluster import Cluster

Run = Callable[..., str]


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def standin() -> Callable[[], Any]:
    """Start a server with an empty store; the caller closes it."""
    server, store = _load("kfp_standin"), _load("kfp_store")
    return lambda: server.KfpServer(store.Store(), store.Refusal)


@pytest.fixture
def kfp(standin: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Start an empty KFP API that nothing in the environment leads elsewhere from."""
    for name in ("KF_PIPELINES_ENDPOINT", "KFP_TOKEN", "KFP_COOKIES", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    server = standin()
    yield server
    server.close()


@pytest.fixture
def failure() -> Any:
    """Return the class of answers that a test can order."""
    return _load("kfp_standin").Failure


@pytest.fixture(scope="session")
def package_spec() -> dict[str, Any]:
    """Return a PipelineSpec of one task with a parameter of every type, two of them required."""
    kinds = {
        "n": {"parameterType": "NUMBER_INTEGER"},
        "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5},
        "tag": {"parameterType": "STRING"},
        "fast": {"parameterType": "BOOLEAN", "defaultValue": False},
        "sizes": {"parameterType": "LIST", "defaultValue": [1]},
        "extra": {"parameterType": "STRUCT", "isOptional": True},
    }
    return {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.16.1",
        "defaultPipelineRoot": "gs://bucket/root",
        "components": {"comp-hello": {"executorLabel": "exec-hello"}},
        "deploymentSpec": {
            "executors": {"exec-hello": {"container": {"image": "x:1", "command": ["true"]}}}
        },
        "root": {
            "inputDefinitions": {"parameters": kinds},
            "dag": {
                "tasks": {
                    "hello": {
                        "componentRef": {"name": "comp-hello"},
                        "taskInfo": {"name": "hello"},
                    }
                }
            },
        },
    }


@pytest.fixture
def package(tmp_path: Path, package_spec: dict[str, Any]) -> Path:
    """Write the package to a file."""
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(package_spec))
    return path


@pytest.fixture
def genvision(kfp: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of ours; a failed one returns its line."""
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp.url)

    def run(*words: str, fails: type[Exception] | None = None) -> str:
        result = CliRunner().invoke(cli.cli, words, standalone_mode=False)
        if fails:
            assert isinstance(result.exception, fails), result.exception
            return str(result.exception)
        assert result.exception is None, result.exception
        return result.stdout

    return run


@pytest.fixture
def started(kfp: Any, package: Path) -> str:
    """Upload the small package and start a run; returns the run's id."""
    cluster = Cluster(Access(kfp.url))
    version, _ = submit.upload_package(cluster, "small", package)
    return submit.start(cluster, "small", version, {"n": "1", "tag": "a"}, "runner")


@pytest.fixture
def kube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kfp: Any) -> Iterator[Any]:
    """Start a stand-in for a cluster without pods and write a kubeconfig that leads to it."""
    server = _load("kube_standin").Kube()
    named = {"cluster": "c", "user": "u"}
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "here", "context": named}],
        "current-context": "here",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(tree))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield server
    server.close()
