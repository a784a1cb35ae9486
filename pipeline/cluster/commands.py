"""Command line of the cluster: `submit`, `status`, `logs`, `tfx`. Parsing only."""

from __future__ import annotations

from typing import Any

import click

from pipeline.answers import json_option, tell
from pipeline.cluster.options import access, cluster_of, recipe_settings
from pipeline.cluster.schedule_commands import schedule
from trainer.errors import RunFailed, UserError


@click.command()
@click.argument("recipe")
@recipe_settings
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="Runtime parameter.")
@click.option("--upload-only", is_flag=True, help="Do not start a run.")
@click.option("--no-wait", is_flag=True, help="Return as soon as the run is started.")
@click.option("--poll", type=click.FloatRange(0.01), default=5.0, hidden=True)
@access
def submit(
    recipe: str,
    overrides: tuple[str, ...],
    image: str | None,
    given: tuple[str, ...],
    upload_only: bool,
    no_wait: bool,
    poll: float,
    **place: Any,
) -> None:
    """Compile a recipe, upload it to a cluster, start a run and wait for its end.

    An equal package is not uploaded twice. Exit code 1 when the run fails; Ctrl-C stops waiting,
    never the run.
    """
    from pipeline.cluster import parameters, submit, watch
    from pipeline.cluster.options import resolve

    words = parameters.split(given)
    resolved = resolve(recipe, overrides, image)
    cluster = cluster_of(place)
    version, how = submit.upload(cluster, resolved)
    click.echo(f"pipeline {how}: {cluster.link('pipelines', version.pipeline_id)}")
    if upload_only:
        return
    account = resolved.kubernetes.service_account or ""
    run_id = submit.start(cluster, resolved.name, version, words, account)
    click.echo(f"run      {cluster.link('runs', run_id)}")
    if no_wait:
        click.echo(f"watch it with: genvision status {run_id}")
        return
    try:
        run = watch.wait(cluster, run_id, poll)
    except KeyboardInterrupt:
        raise UserError(
            f"stopped waiting; the run goes on: genvision status {run_id}, or end it with tfx run "
            f"terminate --engine=kubeflow --run-id={run_id}"
        ) from None
    click.echo("\n".join(watch.table(run, watch.names_of(cluster, run))))
    click.echo(f"done     {run.state.lower()}")


@click.command()
@click.argument("run", metavar="RUN|NAME")
@click.option("--wait", is_flag=True, help="Stay until it ends; exit code 1 when it failed.")
@click.option("--poll", type=click.FloatRange(0.01), default=5.0, hidden=True)
@access
@json_option
def status(run: str, wait: bool, poll: float, as_json: bool, **place: Any) -> None:
    """Show a run on a cluster, node by node: by its id, or a pipeline's newest run by name."""
    from pipeline.cluster import watch

    cluster = cluster_of(place)
    found = watch.find(cluster, run)
    names = watch.names_of(cluster, found)
    failed = ""
    if wait and found.state not in watch.OVER:
        try:
            found = watch.wait(cluster, found.run_id, poll)
        except RunFailed as error:
            found, failed = cluster.client.get_run(found.run_id), str(error)
    if found.state in ("FAILED", "CANCELED"):
        failed = failed or watch.failure(found, names)
    link = cluster.link("runs", found.run_id)
    lines = [
        f"run      {link}",
        f"state    {found.state.lower()}, created {found.created_at:%Y-%m-%d %H:%M:%S %Z}",
        *watch.table(found, names),
        *([f"error    {failed}"] if failed and not wait else []),
    ]
    facts = {"run": found.run_id, "link": link, "state": found.state, "error": failed}
    facts["nodes"] = [node._asdict() for node in watch.nodes(found, names)]
    tell({**facts, "created": found.created_at.isoformat()}, lines, as_json)
    if failed and wait:
        raise RunFailed(failed)


@click.command()
@click.argument("run", metavar="RUN|NAME")
@click.option("--node", metavar="NODE", help="Default: every node that has begun.")
@click.option("--follow", is_flag=True, help="Stay until the node's newest container ends.")
@access
def logs(run: str, node: str | None, follow: bool, **place: Any) -> None:
    """Print what the containers of a run on a cluster wrote.

    They are read from the Kubernetes API by kubeconfig, as kubectl does.
    """
    from pipeline.cluster import watch

    if follow and not node:
        raise UserError("--follow needs --node: one container can be followed at a time")
    cluster = cluster_of(place)
    found, shown, end = watch.find(cluster, run), "", "\n"
    for title, text in watch.logs(cluster, found, node, follow, place["namespace"]):
        if title != shown:
            if end != "\n":
                click.echo()  # the one before ended inside a line
            click.echo(f"== {title}")
            shown, end = title, "\n"
        click.echo(text, nl=False)
        end = text[-1:] or end


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("--check-plugin", is_flag=True, help="Say whether the plain `tfx` command has ours.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def tfx(check_plugin: bool, words: tuple[str, ...]) -> None:
    """Run TFX's own command with our engine: genvision tfx pipeline list --engine=kubeflow.

    The plain `tfx` command does the same through genvision_tfx.pth; --check-plugin says whether.
    """
    from pipeline.cluster import plugin

    trouble = plugin.trouble()
    if check_plugin:
        if trouble:
            raise UserError(f"the plain `tfx` command is without our Kubeflow engine: {trouble}")
        click.echo("the plain `tfx` command has our Kubeflow engine")
        return
    if trouble:
        click.echo(f"note: the plain `tfx` command is without our engine: {trouble}", err=True)
    plugin.install()
    from tfx.tools.cli.cli_main import cli_group

    cli_group(list(words), prog_name="genvision tfx")


COMMANDS: tuple[click.Command, ...] = (submit, status, logs, schedule, tfx)
