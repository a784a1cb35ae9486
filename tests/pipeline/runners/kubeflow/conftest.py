"""Packages of small nodes, and running them in forked processes that have TFX loaded already."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.kubernetes import Kubernetes
from pipeline.runners.kubeflow import package_file
from pipeline.runners.kubeflow.execute import Execution
from pipeline.runners.kubeflow.runner import KubeflowDagRunner, KubeflowDagRunnerConfig
from pipeline.runners.kubeflow.runs import Run
from pipeline.runners.kubeflow.warm import WarmExecutor

sys.path.insert(0, str(Path(__file__).parent / "sample"))


class Breaking(WarmExecutor):
    """Runs a hook in the process of a task before its command, and keeps exit codes."""

    def __init__(
        self,
        *args: Any,
        before: dict[tuple[str, int], Callable[[], object]],
        codes: dict[tuple[str, int], int],
    ) -> None:
        super().__init__(*args)
        self._before, self._codes = before, codes

    def _forked(self, name: str, attempt: int) -> None:
        self._before.get((name, attempt), lambda: None)()

    def _attempt(self, name: str, attempt: int, command: list[str], container: Any) -> int:
        self._codes[name, attempt] = super()._attempt(name, attempt, command, container)
        return self._codes[name, attempt]


class Sample:
    """The sample pipeline's package in a folder of its own."""

    def __init__(self, folder: Path, gates: tuple[str, ...]) -> None:
        import sample_nodes

        self.folder, self.address = folder, f"sqlite://{folder}/out/metadata.sqlite"
        (folder / "old").mkdir()
        (folder / "old" / "old.txt").write_text("old ")
        settings = Kubernetes(gates=gates, ui="http://kfp.example")
        config = KubeflowDagRunnerConfig("reg/sample:1", folder / "sample.yaml", settings)
        self.path = KubeflowDagRunner(config).run(sample_nodes.wire(str(folder)))

    def execute(
        self, before: dict | None = None, codes: dict | None = None, **given: str
    ) -> Execution:
        """Run the package; `before` holds hooks by (task, attempt), `codes` takes exit codes."""
        package, out = package_file.read(self.path), self.folder / "out"
        hooks, ended = before or {}, {} if codes is None else codes
        return Breaking(package, out, given, 0.0, before=hooks, codes=ended).run()

    def run(self, execution: Execution) -> Run:
        """Look at what an execution left in ML Metadata."""
        from ml_metadata.metadata_store import MetadataStore

        from pipeline.runners.kubeflow.connection import connect

        store = MetadataStore(connect(self.address))
        return Run(store, "sample_pipeline", execution.run_id)

    def log(self, execution: Execution, task: str, attempt: int = 1) -> str:
        """Return what an attempt said."""
        folder = execution.tasks[task].folder
        assert folder is not None
        return (folder / f"attempt-{attempt}" / "log.txt").read_text()


@pytest.fixture(scope="module")
def sample_in(forking, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sample]:
    """Compile the sample pipeline in a folder of its own."""
    return lambda gates=("Judge",): Sample(tmp_path_factory.mktemp("sample"), gates)
