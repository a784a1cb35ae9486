"""Packages of small nodes, and running them in forked processes that have TFX loaded already."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.kubernetes import Kubernetes
from pipeline.runners.kubeflow import finish, node, package_file
from pipeline.runners.kubeflow.execute import Execution, Executor
from pipeline.runners.kubeflow.runner import KubeflowDagRunner, KubeflowDagRunnerConfig
from pipeline.runners.kubeflow.runs import Run

sys.path.insert(0, str(Path(__file__).parent / "sample"))

MODULES = {"pipeline.runners.kubeflow.node": node, "pipeline.runners.kubeflow.finish": finish}


class Forked(Executor):
    """An executor whose container commands run in forks of this process: no import, no wait.

    Everything else, kill -9 included, is as with processes of their own.
    """

    def __init__(
        self,
        *args: Any,
        before: dict[tuple[str, int], Callable[[], object]],
        codes: dict[tuple[str, int], int],
    ) -> None:
        super().__init__(*args)
        self._before, self._codes = before, codes

    def _attempt(self, name: str, attempt: int, command: list[str], container: Any) -> int:
        pod = self._stage / name / f"attempt-{attempt}"
        pod.mkdir(parents=True)
        assert command[:2] == ["python", "-m"]
        child = os.fork()
        if child == 0:
            code = 99
            try:
                log = os.open(pod / "log.txt", os.O_WRONLY | os.O_CREAT)
                os.dup2(log, 1)
                os.dup2(log, 2)
                sys.stdout = sys.stderr = os.fdopen(log, "w", buffering=1)
                os.chdir(pod)
                self._before.get((name, attempt), lambda: None)()
                code = MODULES[command[2]].main(command[3:])
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        self._codes[name, attempt] = code if code >= 0 else 128 - code
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
        return Forked(package, out, given, 0.0, before=hooks, codes=ended).run()

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
def sample_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Sample]:
    """Compile the sample pipeline in a folder of its own."""
    return lambda gates=("Judge",): Sample(tmp_path_factory.mktemp("sample"), gates)
