"""Pipelines, versions, experiments and runs of a cluster: whole answers, nothing half-created."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.cluster import package as packages
from pipeline.cluster.client import Access, connect
from pipeline.cluster.errors import ClusterError
from trainer.errors import UserError

PAGE = 100
REMOTE = ("gs://", "s3://", "minio://")
"""What KFP takes as a pipeline root; a plain path is refused when the run starts."""

CONFLICT, MISSING = 409, 404


class Version(NamedTuple):
    """One version of a pipeline."""

    pipeline_id: str
    version_id: str
    spec: Mapping[str, Any]
    """PipelineSpec as JSON"""


class Cluster:
    """One KFP API server. Every method raises `ClusterError` when it refuses or is gone."""

    def __init__(self, access: Access) -> None:
        self.client = connect(access)

    def link(self, kind: str, identity: str) -> str:
        """URL of a page of the UI: `kind` is pipelines, runs, experiments or recurringrun."""
        return f"{self.client._get_url_prefix()}/#/{kind}/details/{identity}"

    def find(self, name: str) -> str | None:
        """Return the id of the pipeline with this name, if there is one."""
        try:
            return self.client.get_pipeline_id(name)
        except ValueError:
            raise UserError(
                f'several pipelines have the name "{name}"; delete all but one in the UI'
            ) from None

    def get(self, name: str) -> str:
        """Return the id of an existing pipeline."""
        found = self.find(name)
        if found is None:
            raise ClusterError(
                f'Cannot find pipeline "{name}". Did you provide correct endpoint and pipeline '
                "name?",
                MISSING,
            )
        return found

    def create(self, name: str, package: Path) -> str:
        """Upload a new pipeline and its experiment; both or none. Returns the pipeline's id."""
        packages.read(package)
        if taken := self.find(name):
            raise ClusterError(f'Pipeline "{name}" already exists. id="{taken}"', CONFLICT)
        uploaded = self.client.upload_pipeline(str(package), pipeline_name=name)
        try:
            self.client.create_experiment(name)
        except Exception:
            with contextlib.suppress(ClusterError):
                self.delete_pipeline(uploaded.pipeline_id)
            raise
        return str(uploaded.pipeline_id)

    def update(self, name: str, package: Path) -> Version:
        """Upload a new version of an existing pipeline."""
        spec = packages.read(package)
        pipeline_id = self.get(name)
        for last in (False, True):
            version = f"{name[:112]}_{time.strftime('%Y%m%d%H%M%S')}"
            try:
                made = self.client.upload_pipeline_version(
                    str(package), pipeline_version_name=version, pipeline_id=pipeline_id
                )
            except ClusterError as error:
                if error.status != CONFLICT or last:
                    raise
                time.sleep(1.1)  # the name holds the second
            else:
                return Version(pipeline_id, made.pipeline_version_id, spec)
        raise AssertionError("the second try returns or raises")

    def newest(self, pipeline_id: str) -> Version:
        """Find the newest version; of several made in one second the one named last."""
        answer = self.client.list_pipeline_versions(
            pipeline_id, page_size=PAGE, sort_by="created_at desc"
        )
        versions = answer.pipeline_versions or []
        if not versions:
            raise ClusterError(f"pipeline {pipeline_id} has no version: update it first", MISSING)
        last = max(versions, key=lambda item: (item.created_at, item.display_name))
        return Version(pipeline_id, last.pipeline_version_id, last.pipeline_spec or {})

    def pipelines(self) -> Iterator[Any]:
        """Yield every pipeline."""
        return self._all(self.client.list_pipelines, "pipelines")

    def runs(self, experiment_id: str) -> Iterator[Any]:
        """Yield every run of an experiment, newest first."""
        return self._all(
            self.client.list_runs, "runs", experiment_id=experiment_id, sort_by="created_at desc"
        )

    def recurring(self, experiment_id: str) -> Iterator[Any]:
        """Yield every recurring run of an experiment."""
        return self._all(
            self.client.list_recurring_runs, "recurring_runs", experiment_id=experiment_id
        )

    def experiment(self, name: str) -> str | None:
        """Return the id of an experiment, if there is one."""
        try:
            return str(self.client.get_experiment(experiment_name=name).experiment_id)
        except ValueError:
            return None

    def start(
        self,
        name: str,
        version: Version,
        parameters: dict[str, Any],
        pipeline_root: str = "",
        service_account: str = "",
    ) -> Any:
        """Start a run of one version in the experiment of the pipeline's name."""
        return self.client.run_pipeline(
            experiment_id=self.client.create_experiment(name).experiment_id,
            job_name=name,
            params=parameters,
            pipeline_id=version.pipeline_id,
            version_id=version.version_id,
            pipeline_root=root_of(version.spec, pipeline_root) or None,
            service_account=service_account or None,
        )

    def delete(self, name: str) -> int:
        """Delete a pipeline with its versions, experiment and schedules.

        Schedules go first: KFP leaves them firing when only their experiment is deleted.

        Returns:
          How many schedules were deleted.
        """
        pipeline_id, experiment_id, schedules = self.get(name), self.experiment(name), 0
        for item in list(self.recurring(experiment_id)) if experiment_id else ():
            self.client.delete_recurring_run(item.recurring_run_id)
            schedules += 1
        self.delete_pipeline(pipeline_id)
        if experiment_id:
            self.client.delete_experiment(experiment_id)
        return schedules

    def delete_pipeline(self, pipeline_id: str) -> None:
        """Delete a pipeline and, as the API demands, every version of it before."""
        versions = self._all(
            self.client.list_pipeline_versions, "pipeline_versions", pipeline_id=pipeline_id
        )
        for version in list(versions):
            self.client.delete_pipeline_version(pipeline_id, version.pipeline_version_id)
        self.client.delete_pipeline(pipeline_id)

    def _all(self, listing: Callable[..., Any], key: str, **options: Any) -> Iterator[Any]:
        token = ""
        while True:
            answer = listing(page_size=PAGE, page_token=token, **options)
            yield from getattr(answer, key) or ()
            token = answer.next_page_token
            if not token:
                return


def root_of(spec: Mapping[str, Any], remembered: str = "") -> str:
    """Return the pipeline root to send with a run; empty: the cluster's default.

    KFP does not read the one that is compiled in, and takes object stores only.
    """
    root = spec.get("pipeline_spec", spec).get("defaultPipelineRoot") or remembered
    return root if root.startswith(REMOTE) else ""
