"""Command line of deployment: `versions`, `models`, `canary`, `batch`. Parsing only."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

from pipeline.answers import json_option, tell
from serving import flags
from serving.options import Address


class _Number(click.FloatRange):
    """A range that NaN and infinity are outside of: they compare with nothing, or never end."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


_RECIPE = click.option("--recipe", default="digits_cgan", show_default=True)
_OUTPUT = click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
_TARGET = flags.asking(help_text="A running server that follows the model config.")
_WHY = click.option("--why", default="", metavar="TEXT", help="Reason, for the history.")
_NO_SERVER = click.option("--no-server", is_flag=True, help="Do not ask a server.")
_PLACE = (
    _RECIPE,
    _OUTPUT,
    click.option(
        "--config-file", metavar="FILE", help="Default: models.config beside the versions."
    ),
    _TARGET,
)
_CHANGE = (
    *_PLACE,
    click.option(
        "--seen-as",
        default="",
        metavar="PATH",
        help="The versions' folder as the server sees it, e.g. /models/digits.",
    ),
    _NO_SERVER,
    click.option(
        "--wait",
        type=_Number(0),
        default=60.0,
        show_default=True,
        help="Seconds the server may take for each step.",
    ),
    click.option(
        "--apply",
        default="",
        metavar="COMMAND",
        help='Run after each change of the file, e.g. "kubectl apply -k DIR".',
    ),
    _WHY,
)


def _with(options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


@click.group()
def versions() -> None:
    """List, promote, roll back, pin and prune pushed versions.

    Labels live in a TF Serving model config (models.config beside the version folders), history in
    history.jsonl. Clients ask for the label `stable`; `genvision serve` follows the file.
    """


@versions.command("list")
@_with(_PLACE)
@click.option("--history", is_flag=True, help="Who did what, when and why.")
@json_option
def list_versions(history: bool, as_json: bool, **place: Any) -> None:
    """List the versions with labels, state, size and scores."""
    from pipeline import operate

    where = operate.Place(**place)
    if history:
        events = where.destination().history()
        tell(events, operate.history(events), as_json)
    else:
        found = operate.versions(where)
        tell(found, operate.table(found), as_json)


@versions.command()
@click.argument("version", type=int)
@_with(_CHANGE)
def promote(version: int, why: str, **place: Any) -> None:
    """Give VERSION the label `stable` once it answers; the old one stays for a rollback."""
    from pipeline import operate

    with operate.release(operate.Place(**place)) as release:
        click.echo(release.promote(version, why))


@versions.command()
@_with(_CHANGE)
def rollback(why: str, **place: Any) -> None:
    """Give `stable` back to the version that had it before."""
    from pipeline import operate

    with operate.release(operate.Place(**place)) as release:
        click.echo(release.rollback(why))


@versions.command()
@click.argument("version", type=int, required=False)
@click.option("--off", is_flag=True, help="Release the pin.")
@_with(_CHANGE)
def pin(version: int | None, off: bool, why: str, **place: Any) -> None:
    """Make VERSION stable and refuse promotions and canaries until `pin --off`."""
    from pipeline import operate

    if off == (version is not None):
        raise click.UsageError("give either a VERSION to pin or --off")
    with operate.release(operate.Place(**place)) as release:
        click.echo(release.unpin(why) if version is None else release.pin(version, why))


@versions.command()
@click.option("--keep", type=click.IntRange(1), default=3, show_default=True, help="Newest ones.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@_WHY
@_NO_SERVER
@_with(_PLACE)
def prune(keep: int, dry_run: bool, why: str, **place: Any) -> None:
    """Delete old versions; those with a label, the newest and those that --target serves stay."""
    from pipeline import operate

    doomed = operate.prune(operate.Place(**place), keep, why, dry_run)
    what = "would delete" if dry_run else "deleted"
    click.echo(f"{what} {', '.join(map(str, doomed)) if doomed else 'nothing'}")


@click.command()
@flags.asking("127.0.0.1:8500")
@click.option("--model", "names", multiple=True, help="Default: the models of all recipes.")
@json_option
def models(target: Address, names: tuple[str, ...], as_json: bool) -> None:
    """Show what a server serves: models, versions, states and labels."""
    from pipeline import operate

    found = operate.served(target, names)
    tell(found, operate.served_table(found), as_json)


@click.command()
@click.argument("version", type=int, required=False)
@click.option("--requests", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--share",
    type=_Number(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="The canary's part.",
)
@click.option(
    "--extra-errors",
    type=_Number(0, 1),
    default=0.0,
    show_default=True,
    help="Error rate it may have above stable's.",
)
@click.option(
    "--slower",
    type=_Number(0, min_open=True),
    default=1.5,
    show_default=True,
    help="Factor on stable's p50 and p95 that it may reach.",
)
@click.option("--threads", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--no-promote", is_flag=True, help="Leave a good one as canary.")
@click.option("--off", is_flag=True, help="Try nothing: take the label canary away.")
@_with(_CHANGE)
def canary(version: int | None, no_promote: bool, off: bool, why: str, **options: Any) -> None:
    """Try VERSION on a share of requests, then promote it or fall back, and say why.

    It is promoted if it has every signature of stable, no higher error rate (--extra-errors) and
    p50 and p95 not surely above --slower times stable's. Exit code 1: it fell back.
    """
    from pipeline import operate

    names = ("requests", "share", "extra_errors", "slower", "threads")
    rules = {name: options.pop(name) for name in names}
    place = operate.Place(**options)
    if off == (version is not None):
        raise click.UsageError("give either a VERSION to try or --off")
    if version is None:
        with operate.release(place) as release:
            click.echo(release.drop_canary(why))
        return
    click.echo("\n".join(operate.try_canary(place, version, rules, not no_promote, why)))


@click.command()
@click.option("--out", required=True, metavar="DIR", help="Files and manifest.jsonl go here.")
@click.option("--version", metavar="N|LABEL", help="Default: stable, else the newest.")
@click.option("--images", metavar="DIR", help="Caption these images instead of drawing.")
@click.option("--label", "labels", type=int, multiple=True, help="Class to draw; repeatable.")
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Per class.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="First seed.")
@click.option("--chunk", type=click.IntRange(1, 4096), default=64, show_default=True)
@_with((_RECIPE, _OUTPUT))
def batch(recipe: str, output_dir: str | None, **options: Any) -> None:
    """Draw many images, or caption a folder of them, through Beam; resumable.

    The same command goes on with an interrupted job, also after a push: without --version on the
    version it began with.
    """
    from pipeline.batch import run_batch
    from pipeline.operate import Place

    click.echo(run_batch(Place(recipe, output_dir), **options))


COMMANDS: tuple[click.Command, ...] = (versions, models, canary, batch)
