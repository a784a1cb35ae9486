"""Optional MLflow: a run's settings, scores, sheets and its pushed version in the registry."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from trainer.errors import UserError

FILES = ("report.html", "samples.png", "evaluation.json")
"""What is kept of an evaluation."""

NEWEST = "newest"
"""Alias of the version pushed last; the labels of the destination are aliases as well."""

VALUE_LIMIT = 500
"""Characters of a parameter that every MLflow store takes."""


@click.command()
@click.argument("run", default="digits_cgan")
@click.option("--mlflow", "uri", metavar="URI", required=True, help="Tracking server, http://...")
@click.option("--experiment", metavar="NAME", help="Default: the recipe's name.")
@click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
def track(run: str, uri: str, experiment: str | None, output_dir: str | None) -> None:
    """Record a RUN in MLflow: settings, scores, sheets, and its version in the model registry.

    A recipe whose `track.mlflow` is set does this by itself at the end of each run.
    """
    click.echo(record(run, uri, experiment, output_dir))


def record(name: str, uri: str, experiment: str | None = None, output: str | None = None) -> str:
    """Record a run; recording it again finds the earlier record and leaves it.

    Args:
      name: The run, as `pipeline.history.runs.find` takes it.
      uri: MLflow's tracking server; the model registry is there as well.
      experiment: Name of the experiment; None for the recipe's.
      output: Output folder, when it is not the recipe's default.

    Returns:
      A sentence that says where it is.

    Raises:
      UserError: There is no such run, MLflow is not installed, or it does not answer.
    """
    from pipeline.history.runs import find

    run = find(name, output)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise UserError("MLflow is not installed: pip install 'genvision[mlflow]'") from None
    # By itself MLflow tries for four minutes, and says so on every try.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    try:
        client = MlflowClient(uri, uri)
        place = experiment or run.recipe
        found = client.get_experiment_by_name(place)
        number = found.experiment_id if found else client.create_experiment(place)
        query = f"tags.`genvision.run` = '{_key(run)}'"
        for known in client.search_runs([number], query):
            if known.info.status == "FINISHED":
                return f"{run.name} is recorded already: MLflow run {known.info.run_id} at {uri}"
            client.delete_run(known.info.run_id)  # torn: written anew
        made = _write(client, number, run)
    except MlflowException as error:
        first = str(error).splitlines()[0]
        if "Max retries exceeded" in first:
            raise UserError(
                f"MLflow at {uri} did not take {run.name}: no server answers there"
            ) from None
        raise UserError(f"MLflow at {uri} did not take {run.name}: {first[:300]}") from None
    return f"{run.name} is MLflow run {made} in experiment '{place}' at {uri}"


def _key(run: Any) -> str:
    return f"{run.name} {run.started.isoformat(timespec='milliseconds')}"


def _write(client: Any, experiment: str, run: Any) -> str:
    """Write everything about a run, its end last: a torn record is seen as still running."""
    tags = {"genvision.run": _key(run), "verdict": run.verdict, "recipe": run.recipe}
    began = int(run.started.timestamp() * 1000)
    id_ = client.create_run(experiment, began, tags, run.name).info.run_id
    for key, value in run.settings().items():
        client.log_param(id_, key, str(value)[:VALUE_LIMIT])
    for key, score in run.evaluation.get("scores", {}).items():
        client.log_metric(id_, key, score["value"])
        client.log_metric(id_, f"{key}_error", score["error"])
    for node in run.nodes:
        client.log_metric(id_, f"seconds/{node.node}", node.seconds)
    for file in FILES if run.report else ():
        if (path := run.report.with_name(file)).exists():
            client.log_artifact(id_, str(path))
    if run.pushed:
        _register(client, id_, run)
    client.set_terminated(id_, "FINISHED", began + int(run.seconds * 1000))
    return str(id_)


def _register(client: Any, run_id: str, run: Any) -> None:
    """Put the pushed version into the registry, under the aliases it is served by."""
    from mlflow.exceptions import MlflowException

    from serving.deployment import Destination

    pushed = run.output("Pusher", "pushed_model").properties
    path = Path(str(pushed["pushed_destination"]))
    model = path.parent.name
    try:
        client.create_registered_model(model)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name = '{model}'")
    there = next((v for v in known if v.tags.get("served_as") == run.pushed), None)
    version = there or client.create_model_version(
        model, path.as_uri(), run_id, tags={"served_as": run.pushed}
    )
    labels = Destination.of(model, path.parent).labels()
    aliases = [label for label, number in labels.items() if str(number) == run.pushed]
    for alias in (NEWEST, *aliases):
        client.set_registered_model_alias(model, alias, version.version)
