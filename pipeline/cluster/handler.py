"""The `tfx` command's Kubeflow engine for KFP 2: the flags, outputs and exit codes of TFX 1.15."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from tfx.tools.cli import labels
from tfx.tools.cli.handler import base_handler

from pipeline.cluster import image, parameters, schema
from pipeline.cluster.client import Access
from pipeline.cluster.cluster import MISSING, Cluster
from pipeline.cluster.errors import ClusterError
from pipeline.cluster.memory import Memory
from trainer.errors import UserError


def _spoken(method: Callable[..., None]) -> Callable[..., None]:
    """End the command with one line on standard error and exit code 1 for a `UserError`."""

    @functools.wraps(method)
    def call(*args: Any, **options: Any) -> None:
        try:
            method(*args, **options)
        except UserError as error:
            sys.exit(" ".join(str(error).split()))

    return call


class KubeflowHandler(base_handler.BaseHandler):
    """Handler of every subcommand; `compile` and `schema` need no cluster."""

    @_spoken
    def __init__(self, flags_dict: dict[str, Any]) -> None:
        super().__init__(flags_dict)
        self._memory = Memory(self._handler_home_dir)
        self._endpoint = self._find_endpoint()
        if labels.NAMESPACE in flags_dict:
            self._cluster = Cluster(
                Access.of_environment(
                    endpoint=self._endpoint,
                    namespace=flags_dict[labels.NAMESPACE],
                    iap_client_id=flags_dict.get(labels.IAP_CLIENT_ID),
                )
            )

    @_spoken
    def create_pipeline(self) -> None:
        """Compile a pipeline and upload it as a new one."""
        self._upload(update=False)

    @_spoken
    def update_pipeline(self) -> None:
        """Compile a pipeline and upload it as a new version."""
        self._upload(update=True)

    @_spoken
    def compile_pipeline(self) -> None:
        """Compile a pipeline to where its file says."""
        from pipeline.cluster.patcher import KubeflowDagRunnerPatcher

        patcher = KubeflowDagRunnerPatcher()
        path = self.execute_dsl(patcher)[patcher.OUTPUT_FILE_PATH]
        click.echo("Pipeline compiled successfully.")
        click.echo(f"Pipeline package path: {path}")

    @_spoken
    def list_pipelines(self) -> None:
        """Print every pipeline."""
        found = list(self._cluster.pipelines())
        click.echo(found if found else "No pipelines to display.")

    @_spoken
    def delete_pipeline(self) -> None:
        """Delete a pipeline, its versions, its schedules and its experiment."""
        name = self.flags_dict[labels.PIPELINE_NAME]
        schedules = self._cluster.delete(name)
        self._memory.forget(name)
        if schedules:
            click.echo(f"Schedules deleted with it: {schedules}")
        click.echo(f"Pipeline {name} deleted successfully.")

    @_spoken
    def get_schema(self) -> None:
        """Copy the newest schema of a pipeline whose root this machine can read."""
        name = self.flags_dict[labels.PIPELINE_NAME]
        self._check_pipeline_existence(name)
        root = self._memory.get(name, labels.PIPELINE_ROOT)
        schema.copy(name, root, self._read_schema_from_pipeline_root)

    @_spoken
    def create_run(self) -> None:
        """Start a run of the newest version."""
        name = self.flags_dict[labels.PIPELINE_NAME]
        version = self._cluster.newest(self._cluster.get(name))
        given = parameters.converted(self.flags_dict[labels.RUNTIME_PARAMETER], version.spec)
        root = self._memory.get(name, labels.PIPELINE_ROOT)
        run = self._cluster.start(name, version, given, root)
        click.echo(f"Run created for pipeline: {name}")
        self._print_runs(name, [run])

    @_spoken
    def list_runs(self) -> None:
        """Print every run of a pipeline."""
        name = self.flags_dict[labels.PIPELINE_NAME]
        self._cluster.get(name)
        experiment = self._cluster.experiment(name)
        found = list(self._cluster.runs(experiment)) if experiment else []
        if found:
            self._print_runs(name, found)
        else:
            click.echo("No runs found.")

    @_spoken
    def get_run(self) -> None:
        """Print one run."""
        run = self._of_run(self._cluster.client.get_run)
        self._print_runs(self.flags_dict[labels.PIPELINE_NAME], [run])
        if run.error and run.error.message:
            click.echo(f"Error: {run.error.message}")

    @_spoken
    def terminate_run(self) -> None:
        """Stop a run."""
        self._of_run(self._cluster.client.terminate_run)
        click.echo("Run terminated.")

    @_spoken
    def delete_run(self) -> None:
        """Delete a run."""
        self._of_run(self._cluster.client.delete_run)
        click.echo("Run deleted.")

    def _find_endpoint(self) -> str:
        """Return the endpoint that was given, else the one the pipeline was created at."""
        given = self.flags_dict.get(labels.ENDPOINT) or ""
        name = self.flags_dict.get(labels.PIPELINE_NAME)
        if given or not name:
            return given
        remembered = self._memory.get(name, labels.ENDPOINT)
        if remembered and labels.NAMESPACE in self.flags_dict:
            click.echo(f'Endpoint of pipeline "{name}": {remembered}')
        return remembered

    def _upload(self, update: bool) -> None:
        from pipeline.cluster.patcher import KubeflowDagRunnerPatcher

        build = None
        if self.flags_dict.get(labels.BUILD_IMAGE):
            build = functools.partial(image.build, base=self.flags_dict.get(labels.BASE_IMAGE))
        with tempfile.TemporaryDirectory() as folder:
            patcher = KubeflowDagRunnerPatcher(Path(folder), build)
            context = self.execute_dsl(patcher)
            name, package = context[patcher.PIPELINE_NAME], context[patcher.OUTPUT_FILE_PATH]
            if update:
                pipeline_id = self._cluster.update(name, package).pipeline_id
            else:
                pipeline_id = self._cluster.create(name, package)
        self._memory.keep(name, context[patcher.PIPELINE_ROOT], self._endpoint)
        link = self._cluster.link("pipelines", pipeline_id)
        click.echo(f"Please access the pipeline detail page at {link}")
        done = "updated" if update else "created"
        click.echo(f'Pipeline "{name}" {done} successfully.')

    def _of_run(self, call: Callable[[str], Any]) -> Any:
        """Call with the run's id; the API's two answers about a wrong run become words."""
        identity = self.flags_dict[labels.RUN_ID]
        try:
            return call(identity)
        except ClusterError as error:
            if error.status == MISSING:
                raise ClusterError(f'Cannot find run "{identity}".', MISSING) from None
            if "Row not found" in str(error):
                raise ClusterError(f'Run "{identity}" is not running.', error.status) from None
            raise

    def _print_runs(self, name: str, runs: list[Any]) -> None:
        headers = ["pipeline_name", "run_id", "status", "created_at", "link"]
        rows = [
            [
                name,
                r.run_id,
                r.state,
                r.created_at.isoformat(),
                self._cluster.link("runs", r.run_id),
            ]
            for r in runs
        ]
        click.echo(self._format_table(headers, rows))
