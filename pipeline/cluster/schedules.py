"""Scheduled retraining on a cluster: KFP recurring runs, one at a time, missed ones not made up."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import kfp_server_api as api  # type: ignore[import-untyped]

from pipeline.cluster import parameters
from pipeline.cluster.cluster import CONFLICT, MISSING, Cluster, Version, root_of
from pipeline.cluster.cron import Schedule, words_of
from pipeline.cluster.errors import ClusterError

MARK = "genvision schedule"
"""Begins the description of ours."""


class Wanted(NamedTuple):
    """What a schedule should be."""

    pipeline: str
    name: str
    when: Schedule
    given: dict[str, str]
    """runtime parameters as words"""
    pinned: bool = False
    """stay with the newest version of today instead of following"""
    service_account: str = ""


def create(cluster: Cluster, wanted: Wanted) -> Any:
    """Create a schedule; the name must be free.

    Returns:
      KFP's recurring run.

    Raises:
      UserError: The pipeline is not there, the name is taken, a parameter is wrong.
    """
    if taken := _named(cluster, wanted.pipeline, wanted.name):
        raise ClusterError(
            f"schedule '{wanted.name}' exists (id {taken[0].recurring_run_id}): use `genvision "
            "schedule replace`, or give another --name",
            CONFLICT,
        )
    return _make(cluster, wanted)


def replace(cluster: Cluster, wanted: Wanted) -> Any:
    """Create a schedule and delete the one of this name; KFP cannot change one.

    When the old one cannot be deleted the new one is taken back, so that there is always one.
    """
    old = find(cluster, wanted.pipeline, wanted.name)
    made = _make(cluster, wanted)
    try:
        cluster.client.delete_recurring_run(old.recurring_run_id)
    except ClusterError:
        with contextlib.suppress(ClusterError):
            cluster.client.delete_recurring_run(made.recurring_run_id)
        raise
    return made


def find(cluster: Cluster, pipeline: str, name: str) -> Any:
    """Return the schedule of this name."""
    found = _named(cluster, pipeline, name)
    if not found:
        known = sorted({item.display_name for item in every(cluster, pipeline)})
        raise ClusterError(
            f"no schedule '{name}' for '{pipeline}': known: {', '.join(known) or 'none'}", MISSING
        )
    if len(found) > 1:
        raise ClusterError(f"{len(found)} schedules are named '{name}': delete one in the UI")
    return found[0]


def every(cluster: Cluster, pipeline: str) -> list[Any]:
    """List the schedules of a pipeline."""
    experiment = cluster.experiment(pipeline)
    return list(cluster.recurring(experiment)) if experiment else []


def run_now(cluster: Cluster, pipeline: str, name: str) -> Any:
    """Start what a schedule would start, at once; KFP itself has no such call."""
    schedule = find(cluster, pipeline, name)
    reference, config = schedule.pipeline_version_reference, schedule.runtime_config
    version = cluster.newest(reference.pipeline_id)
    if reference.pipeline_version_id:
        version = Version(reference.pipeline_id, reference.pipeline_version_id, version.spec)
    return cluster.start(
        pipeline,
        version,
        dict(config.parameters or {}),
        config.pipeline_root or "",
        schedule.service_account or "",
    )


def row(schedule: Any) -> tuple[str, str, str, str, str]:
    """Show a schedule as name, state, when in words, parameters, id."""
    trigger = schedule.trigger
    when = words_of(trigger.cron_schedule.cron) if trigger.cron_schedule else "every so often"
    given = schedule.runtime_config.parameters or {}
    values = ", ".join(f"{key}={value}" for key, value in sorted(given.items()))
    state = "paused" if schedule.status == "DISABLED" else "active"
    return schedule.display_name, state, when, values or "-", schedule.recurring_run_id


def _named(cluster: Cluster, pipeline: str, name: str) -> list[Any]:
    return [item for item in every(cluster, pipeline) if item.display_name == name]


def _make(cluster: Cluster, wanted: Wanted) -> Any:
    newest = cluster.newest(cluster.get(wanted.pipeline))
    given = parameters.converted(wanted.given, newest.spec)
    experiment = cluster.experiment(wanted.pipeline)
    if experiment is None:
        experiment = cluster.client.create_experiment(wanted.pipeline).experiment_id
    # kfp's own method always pins a version; without one KFP takes the newest at each start.
    reference = api.V2beta1PipelineVersionReference(
        pipeline_id=newest.pipeline_id,
        pipeline_version_id=newest.version_id if wanted.pinned else None,
    )
    return cluster.client._recurring_run_api.recurring_run_service_create_recurring_run(
        recurring_run=api.V2beta1RecurringRun(
            experiment_id=experiment,
            display_name=wanted.name,
            description=f"{MARK}: {wanted.when.line} ({wanted.when.words})",
            mode=api.RecurringRunMode.ENABLE,
            trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=wanted.when.kfp)),
            max_concurrency="1",
            no_catchup=True,
            pipeline_version_reference=reference,
            runtime_config=api.V2beta1RuntimeConfig(
                parameters=given, pipeline_root=root_of(newest.spec) or None
            ),
            service_account=wanted.service_account or None,
        )
    )
