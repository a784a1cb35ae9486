"""Watch a run on a cluster: progress line, table of nodes, logs of their pods."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipeline.cluster import package
from pipeline.cluster.cluster import MISSING, Cluster
from pipeline.cluster.errors import ClusterError
from pipeline.cluster.pods import Pod, Pods
from trainer.errors import RunFailed, UserError, unknown_name
from trainer.progress import Progress

OVER = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
POLL_S = 5.0
NO_WAY = (0, 401, 403)
"""Answers of the Kubernetes API (0: none) that every further pod would get as well."""
PATIENCE = 6
"""Unanswered polls in a row after which watching ends; the run itself goes on."""


class Node(NamedTuple):
    """One container task of a run."""

    name: str
    state: str
    seconds: float | None
    error: str


def find(cluster: Cluster, run: str) -> Any:
    """Return a run by its id, or the newest run of the pipeline of this name."""
    if len(run) == 36 and run.count("-") == 4:
        try:
            return cluster.client.get_run(run)
        except ClusterError as error:
            if error.status == MISSING:
                raise ClusterError(
                    f"there is no run '{run}': see `genvision status NAME`"
                ) from None
            raise
    cluster.get(run)
    experiment = cluster.experiment(run)
    newest = next(cluster.runs(experiment), None) if experiment else None
    if newest is None:
        raise UserError(f"pipeline '{run}' has no run yet: start one with `genvision submit {run}`")
    return cluster.client.get_run(newest.run_id)


def nodes(run: Any, names: Mapping[str, str]) -> list[Node]:
    """List the container tasks of a run, in the pipeline's order; unknown ones are pending."""
    details = {item.display_name: item for item in _details(run)}
    return [_node(shown, details.get(key) or details.get(shown)) for key, shown in names.items()]


def names_of(cluster: Cluster, run: Any) -> dict[str, str]:
    """Map a run's container tasks to the names they are shown under."""
    if run.pipeline_spec:
        return package.nodes(run.pipeline_spec)
    reference = run.pipeline_version_reference
    version = cluster.client.get_pipeline_version(
        reference.pipeline_id, reference.pipeline_version_id
    )
    return package.nodes(version.pipeline_spec)


def wait(cluster: Cluster, run_id: str, poll_s: float = POLL_S) -> Any:
    """Wait for a run with a progress line.

    Returns:
      The run, which succeeded.

    Raises:
      RunFailed: It failed or was cancelled; the message names the nodes that failed.
      ClusterError: The API has not answered several times in a row.
    """
    run = cluster.client.get_run(run_id)
    names, unanswered, done = names_of(cluster, run), 0, 0
    with Progress(f"run {run_id[:8]}", len(names), "node") as progress:
        while True:
            states = {node.name: node.state for node in nodes(run, names)}
            now = sum(state in OVER for state in states.values())
            running = [name for name, state in states.items() if state == "RUNNING"]
            progress.update(now - done, state=run.state, at=" ".join(running) or "-")
            done = now
            if run.state in OVER:
                break
            time.sleep(poll_s)
            try:
                run, unanswered = cluster.client.get_run(run_id), 0
            except ClusterError as error:
                unanswered += 1
                if unanswered >= PATIENCE or 400 <= error.status < 500:
                    raise
    if run.state not in ("SUCCEEDED", "SKIPPED"):
        raise RunFailed(failure(run, names))
    return run


def failure(run: Any, names: Mapping[str, str]) -> str:
    """Say in one line why a run did not succeed."""
    failed = [node for node in nodes(run, names) if node.state == "FAILED"]
    said = [f"{node.name}{f': {node.error}' if node.error else ''}" for node in failed]
    if run.error and run.error.message:
        said.append(run.error.message)
    what = "was cancelled" if run.state == "CANCELED" else "failed"
    where = f" at {'; '.join(said)}" if said else ""
    return f"run {run.run_id} {what}{where}"


def table(run: Any, names: Mapping[str, str]) -> list[str]:
    """Show the nodes of a run in columns."""
    rows = [("NODE", "STATE", "SECONDS")]
    for node in nodes(run, names):
        seconds = "-" if node.seconds is None else f"{node.seconds:.0f}"
        rows.append((node.name, node.state.lower(), seconds))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def logs(
    cluster: Cluster, run: Any, node: str | None, follow: bool, namespace: str
) -> Iterator[tuple[str, str]]:
    """Yield (title, piece of the log) of the pods of one node, or of every node that has begun.

    Attempts come in the order of their creation; `follow` is about the newest one alone.

    Raises:
      UserError: The run has no such node, it has not begun, its pods are gone, or kubeconfig is.
      ClusterError: The Kubernetes API refuses or does not answer.
    """
    names = names_of(cluster, run)
    known = {item.name: item for item in nodes(run, names)}
    if node is not None and node not in known:
        raise unknown_name("node", node, known)
    place = Pods(namespace, cluster.client.timeout_s)
    attempts: dict[str, list[Pod]] = {task: [] for task in names if node in (None, names[task])}
    for pod in place.of_run(run.run_id):
        attempts.get(pod.task, []).append(pod)  # drivers fall out: they are no tasks
    if not any(attempts.values()):
        raise _without_pods(cluster, run, known[node] if node else None, namespace)
    for task, pods in attempts.items():
        several = len(pods) > 1 or any(pod.attempt > 1 for pod in pods)
        for pod in pods[-1:] if follow else pods:
            number = f", attempt {pod.attempt}" if several else ""
            title = f"{names[task]}{number}, pod {pod.name}"
            yield title, ""
            try:
                yield from ((title, text) for text in place.log(pod, follow))
            except ClusterError as error:
                if (node and pod is pods[-1]) or error.status in NO_WAY:
                    raise
                yield title, f"[no log: {error}]\n"


def _without_pods(cluster: Cluster, run: Any, node: Node | None, namespace: str) -> UserError:
    """Say why there is nothing to read: never begun, not yet begun, or gone."""
    what = f"node '{node.name}' of run {run.run_id}" if node else f"run {run.run_id}"
    if node and node.state == "SKIPPED":
        return UserError(f"{what} never began: it was skipped")
    if node and node.state == "PENDING" and run.state in OVER:
        return UserError(f"{what} never began: the run is {run.state.lower()}")
    if (node or run).state not in OVER:
        return UserError(
            f"{what} has no pod yet in namespace '{namespace}': try again later, or name the run's "
            "own with --namespace"
        )
    return UserError(
        f"{what} has no pods left in namespace '{namespace}' (they go, with their logs, some time "
        "after a run's end; or name the run's own with --namespace). Where the installation "
        "publishes logs, they are the artifact executor-logs of each node: "
        f"{cluster.link('runs', run.run_id)}"
    )


def _details(run: Any) -> list[Any]:
    return (run.run_details.task_details or []) if run.run_details else []


def _node(name: str, detail: Any) -> Node:
    if detail is None:
        return Node(name, "PENDING", None, "")
    begun, ended = detail.start_time or detail.create_time, detail.end_time
    over = begun and ended and ended.year > 1970
    error = detail.error.message if detail.error and detail.error.message else ""
    seconds = (ended - begun).total_seconds() if over else None
    return Node(name, detail.state or "PENDING", seconds, error)
