"""`genvision schedule`: retraining at fixed times, on a cluster or on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.answers import json_option, tell
from pipeline.cluster.options import access, cluster_of, resolve
from pipeline.console import aligned
from trainer.errors import UserError

if TYPE_CHECKING:
    from pipeline.cluster import local_schedule
    from pipeline.cluster.cron import Schedule

_CRON = click.option(
    "--cron",
    required=True,
    metavar='"0 3 * * 1"',
    help="Minute, hour, day of month, month, day of week; or @daily, @weekly, @monthly.",
)
_NAME = click.option("--name", metavar="NAME", help="Of the schedule. Default: the recipe's.")
_LOCAL = click.option("--local", is_flag=True, help="On this machine: systemd timer or crontab.")
_WITH = click.option(
    "--with",
    "kind",
    type=click.Choice(["auto", "systemd", "crontab"]),
    default="auto",
    show_default=True,
    help="What keeps a local schedule.",
)
_SET = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Of the recipe.")
_OUTPUT = click.option("--output-dir", metavar="DIR", help="Local: default runs/RECIPE.")
_DATA = click.option("--data-dir", metavar="DIR", help="Local: default runs/data.")


@click.group()
def schedule() -> None:
    """Retrain at fixed times, one run at a time; missed times are not made up for.

    Only what changed is done again: with no new data nothing is trained, and the run says so.
    """


def _making(function: Any) -> Any:
    """Give a command all that makes a schedule."""
    for option in (
        access,
        click.option("--pin", is_flag=True, help="Stay with today's version of the pipeline."),
        click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="Of each run."),
        click.option("--install", is_flag=True, help="Local: install it instead of printing it."),
        _DATA, _OUTPUT, _SET, _WITH, _LOCAL, _NAME, _CRON,
        click.argument("recipe"),
    ):  # fmt: skip
        function = option(function)
    return function


@schedule.command()
@_making
def create(**options: Any) -> None:
    """Create a schedule of a recipe; its pipeline must be on the cluster (`genvision submit`)."""
    _make("create", **options)


@schedule.command()
@_making
def replace(**options: Any) -> None:
    """Put another schedule in the place of the one with this name."""
    _make("replace", **options)


@schedule.command("list")
@click.argument("recipe")
@access
@json_option
def list_(recipe: str, as_json: bool, **place: Any) -> None:
    """List the schedules of a recipe on a cluster."""
    from pipeline.cluster import schedules

    found = schedules.every(cluster_of(place), resolve(recipe, ()).name)
    head = ("NAME", "STATE", "WHEN", "PARAMETERS", "ID")
    rows = [schedules.row(item) for item in found]
    facts = [dict(zip(map(str.lower, head), row, strict=True)) for row in rows]
    none_yet = [f'no schedule yet: genvision schedule create {recipe} --cron "0 3 * * 1"']
    tell(facts, aligned([head, *rows]) if rows else none_yet, as_json)


def _changing(function: Any) -> Any:
    for option in (access, _WITH, _LOCAL, _NAME, click.argument("recipe")):
        function = option(function)
    return function


@schedule.command()
@_changing
def pause(**options: Any) -> None:
    """Let a schedule rest."""
    _change("pause", **options)


@schedule.command()
@_changing
def resume(**options: Any) -> None:
    """Let a schedule go on; times missed meanwhile are not made up for."""
    _change("resume", **options)


@schedule.command()
@_changing
def delete(**options: Any) -> None:
    """Delete a schedule; runs it has started stay."""
    _change("delete", **options)


@schedule.command("run-now")
@click.argument("recipe")
@_NAME
@_LOCAL
@_SET
@_OUTPUT
@_DATA
@access
def run_now(
    recipe: str,
    name: str | None,
    local: bool,
    overrides: tuple[str, ...],
    output_dir: str | None,
    data_dir: str | None,
    **place: Any,
) -> None:
    """Start at once what the schedule would start; --local is what a local schedule calls."""
    resolved = resolve(recipe, overrides)
    if local:
        from pipeline.cluster.retrain import retrain
        from pipeline.paths import Paths

        click.echo(retrain(resolved, Paths.of(resolved.name, output_dir, data_dir)))
        return
    from pipeline.cluster import schedules
    from pipeline.cluster.client import quiet

    cluster = cluster_of(place)
    with quiet():
        run = schedules.run_now(cluster, resolved.name, name or resolved.name)
    click.echo(f"run      {cluster.link('runs', run.run_id)}")


def _make(
    verb: str,
    recipe: str,
    cron: str,
    name: str | None,
    local: bool,
    overrides: tuple[str, ...],
    given: tuple[str, ...],
    pin: bool,
    kind: str,
    install: bool,
    output_dir: str | None,
    data_dir: str | None,
    **place: Any,
) -> None:
    from pipeline.cluster import cron as lines
    from pipeline.cluster.retrain import gate

    when, resolved = lines.parse(cron), resolve(recipe, overrides)
    if local:
        task = _job(recipe, name, overrides, output_dir, data_dir)
        _make_local(verb, task, when, kind, install)
    else:
        if overrides:
            raise UserError(
                "--set does not reach a pipeline that is on the cluster: `genvision submit` it "
                "with --set, or give runtime parameters with --param"
            )
        wanted = (resolved.name, name or resolved.name, when, given, pin)
        _make_remote(verb, *wanted, resolved.kubernetes.service_account or "", place)
    click.echo(f"when     {when.words}, next {when.upcoming:%a %Y-%m-%d %H:%M %Z}")
    click.echo(f"gate     {gate(resolved, local)}")


def _make_remote(
    verb: str,
    pipeline: str,
    name: str,
    when: Schedule,
    given: tuple[str, ...],
    pin: bool,
    account: str,
    place: dict[str, Any],
) -> None:
    from pipeline.cluster import parameters, schedules
    from pipeline.cluster.client import quiet

    words = parameters.split(given)
    cluster = cluster_of(place)
    wanted = schedules.Wanted(pipeline, name, when, words, pin, account)
    with quiet():
        made = getattr(schedules, verb)(cluster, wanted)
    click.echo(f"schedule {cluster.link('recurringrun', made.recurring_run_id)}")
    follows = "today's version" if pin else "the newest version at each start"
    click.echo(f"runs     {follows}, one at a time, in the time zone of the cluster")


def _make_local(
    verb: str, task: local_schedule.Job, when: Schedule, kind: str, install: bool
) -> None:
    from pipeline.cluster import local_schedule

    if install:
        where = local_schedule.install(
            task, when, local_schedule.keeper(kind), replace=verb == "replace"
        )
        click.echo(f"schedule {where}, output to {task.log}")
    elif kind == "crontab":
        click.echo(f"# add with crontab -e\n{task.crontab(when)}")
    else:
        for name, text in task.units(when).items():
            click.echo(f"# ~/{local_schedule.UNITS}/{name}\n{text}")
        click.echo(f"# systemctl --user enable --now {task.unit}.timer")


def _change(verb: str, recipe: str, name: str | None, local: bool, kind: str, **place: Any) -> None:
    resolved = resolve(recipe, ())
    name = name or resolved.name
    if local:
        from pipeline.cluster import local_schedule

        task, kind = _job(recipe, name, (), None, None), local_schedule.keeper(kind)
        if verb == "delete":
            local_schedule.remove(task, kind)
        else:
            local_schedule.pause(task, kind, paused=verb == "pause")
    else:
        from pipeline.cluster import schedules

        client = (cluster := cluster_of(place)).client
        identity = schedules.find(cluster, resolved.name, name).recurring_run_id
        calls = {
            "pause": client.disable_recurring_run,
            "resume": client.enable_recurring_run,
            "delete": client.delete_recurring_run,
        }
        calls[verb](identity)
    click.echo(f"schedule '{name}' {verb}d")


def _job(
    recipe: str,
    name: str | None,
    overrides: tuple[str, ...],
    output_dir: str | None,
    data_dir: str | None,
) -> local_schedule.Job:
    from pipeline.cluster import local_schedule
    from pipeline.paths import Paths

    resolved = resolve(recipe, overrides)
    arguments = [word for text in overrides for word in ("--set", text)]
    for flag, value in (("--output-dir", output_dir), ("--data-dir", data_dir)):
        arguments += [flag, value] if value else []
    output = Paths.of(resolved.name, output_dir).output
    return local_schedule.job(recipe, name or resolved.name, arguments, output)
