"""A KFP API on loopback and a small valid package."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml


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
