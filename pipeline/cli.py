"""The `genvision` command. Light: every heavy import waits until a command needs it."""

from __future__ import annotations

import signal
import sys
from typing import Any

import click

from pipeline import (
    approve,
    caption,
    complete,
    data,
    deploy,
    doctor,
    evaluate,
    extractor,
    signals,
    track,
)
from pipeline.answers import json_option, tell
from pipeline.cluster import commands as cluster
from pipeline.history import commands as history
from pipeline.runners.kubeflow import commands as kubeflow
from serving import flags
from trainer.errors import Interrupted, RunFailed, UserError

_SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe."
)
_OUTPUT = click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
_DATA = click.option("--data-dir", metavar="DIR", help="Prepared TFDS data. Default: runs/data.")

_GOES_ON = "finished nodes are kept, the same command goes on from them"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="genvision")
def cli() -> None:
    """Train, judge, deploy and ask image generators and captioners.

    Begin with `genvision run digits_cgan`. Every command that only reads has --json.

    \b
    Exit codes:
      0    done
      1    done as asked, and not good enough: refused by the gate, diverged, fell back
      2    something given is wrong, or not there; one line says what to do
      130  interrupted by Ctrl-C; what is finished is kept
      143  terminated (SIGTERM); what is finished is kept
    """


@cli.command()
@click.argument("recipe")
@_SET
@click.option("--from", "first", metavar="NODE", help="Begin here, on the last run's outputs.")
@click.option("--to", "last", metavar="NODE", help="End here.")
@click.option("--no-cache", is_flag=True, help="Run every node, whatever is known.")
@click.option("--dry-run", is_flag=True, help="Show recipe, nodes and folders; touch nothing.")
@_DATA
@_OUTPUT
def run(
    recipe: str,
    overrides: tuple[str, ...],
    first: str | None,
    last: str | None,
    no_cache: bool,
    dry_run: bool,
    data_dir: str | None,
    output_dir: str | None,
) -> None:
    """Run a recipe end to end on this machine, from data to an answered request.

    RECIPE is a name from `genvision recipes` or a YAML file. What an earlier run already made
    from the same inputs and settings is reused.
    """
    from pipeline import config, nodes, startup
    from pipeline import run as local_run
    from pipeline.paths import Paths

    resolved = config.load(recipe, [*overrides, *(["cache=false"] if no_cache else [])])
    paths = Paths.of(resolved.name, output_dir, data_dir)
    nodes.check_range(resolved, first, last)
    paths.check_writable()
    if dry_run:
        click.echo("\n".join(local_run.describe(resolved, paths)))
        click.echo(f"{'nodes':9}{' > '.join(nodes.selected(resolved, first, last))}")
        return
    signals.listen(f"terminated; {_GOES_ON}")
    try:
        local_run.run(resolved, paths, first, last, startup.began())
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT, f"interrupted; {_GOES_ON}") from None


@cli.command()
@json_option
def recipes(as_json: bool) -> None:
    """List the packaged recipes; with --json also what their headers state, scores among it."""
    from pipeline import headers
    from pipeline.console import aligned

    found = headers.recipes()
    rows = [["RECIPE", "DATASET", "FAMILY", "STEPS", "WHAT IT DOES"]]
    keys = ("name", "dataset", "family", "steps", "description")
    rows += [[str(recipe[key]) for key in keys] for recipe in found]
    tell(found, aligned(rows), as_json)


@cli.command()
@click.argument("recipe")
@_SET
@json_option
def show(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a recipe as it would run, every default filled in (YAML)."""
    from pipeline import config

    resolved = config.load(recipe, overrides)
    header = config.header(recipe).splitlines() if recipe in config.names() else []
    lines = [*(f"# {line}".rstrip() for line in header), *config.dump(resolved).splitlines()]
    tell(resolved.model_dump(mode="json"), lines, as_json)


@cli.command()
@click.argument("recipe", default="digits_cgan")
@_OUTPUT
@flags.listening
@flags.protection
@flags.behaviour
def serve(recipe: str, output_dir: str | None, **options: Any) -> None:
    """Serve a recipe's pushed model over gRPC (and REST, with --rest-port) until Ctrl-C.

    New versions are picked up, until one is promoted: from then on what has a label is served.
    """
    from pipeline import config
    from pipeline.paths import Paths
    from pipeline.served import check_pushed
    from serving import server
    from serving.deployment import Destination

    resolved = config.load(recipe)
    name = resolved.push.model_name
    base = Paths.of(resolved.name, output_dir).serving(name)
    check_pushed(name, base)
    file = Destination.of(name, base).followed()
    server.run(
        model_name=name,
        model_base_path=None if file else base,
        model_config_file=file,
        config_poll_s=1.0,
        **flags.resolved(options),
    )


@cli.command()
@click.option("--label", "labels", type=int, multiple=True, help="Class to draw; repeatable.")
@click.option("--count", type=click.IntRange(1, 10_000), default=16, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the first image.")
@click.option(
    "--out",
    metavar="PNG|DIR/|CSV",
    help="A sheet, or a folder for one PNG per image; a CSV of numbers. [sheet.png, numbers.csv]",
)
@click.option("--recipe", default="digits_cgan", show_default=True)
@_OUTPUT
@flags.asking(help_text="A running server. Default: start one briefly.")
@click.option("--version", metavar="N|LABEL", help="Default: the newest; without --target, stable.")
def generate(**options: Any) -> None:
    """Draw images with a pushed model into one PNG sheet or many files.

    The same seed draws the same image.
    """
    from pipeline.generate import generate_sheet

    click.echo(generate_sheet(**options))


@cli.command()
@click.argument("recipe")
@click.option(
    "--stage",
    type=click.Choice(["record", "example", "tokens", "batch", "sample"]),
    required=True,
    help="Which form of the items to look at.",
)
@click.option("--count", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--out", metavar="PNG", help="Default: RECIPE-STAGE.png")
@_SET
@_DATA
@_OUTPUT
@json_option
def inspect(recipe: str, stage: str, as_json: bool, **options: Any) -> None:
    """Show items at one stage of a recipe: a table, and a contact sheet as PNG."""
    from pipeline.inspect import inspect_stage

    found, lines = inspect_stage(recipe, stage, **options)
    tell(found, lines, as_json)


COMMANDS = (
    caption.caption,
    data.data,
    extractor.extractor,
    evaluate.evaluate,
    *deploy.COMMANDS,
    *history.COMMANDS,
    approve.approve,
    track.track,
    doctor.doctor,
    complete.completion,
    *kubeflow.COMMANDS,
    *cluster.COMMANDS,
)
for _command in COMMANDS:
    cli.add_command(_command)
complete.attach(cli)


def main() -> None:
    """Run the command line; what a person can get wrong is one line on standard error."""
    signals.listen("terminated")
    try:
        cli.main(standalone_mode=False)
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        if isinstance(error, click.UsageError) and error.ctx:
            text = f"{text.rstrip('.')}; {error.ctx.command_path} --help tells what there is"
        print(f"genvision: {' '.join(text.split()) or 'interrupted'}", file=sys.stderr)
        sys.exit(code)
    except KeyboardInterrupt:
        print("genvision: interrupted", file=sys.stderr)
        sys.exit(130)


def _exit_code(error: Exception) -> int | None:
    """Exit code of an expected error; None for a defect of ours, which keeps its traceback."""
    if isinstance(error, click.exceptions.Abort):
        return 130
    if isinstance(error, Interrupted):
        return 128 + error.signal_number
    if isinstance(error, RunFailed):
        return 1
    if isinstance(error, UserError | click.ClickException):
        return 2
    # The serving folder has an error family of its own: it imports nothing of ours.
    errors = sys.modules.get("serving.errors")
    return 2 if errors and isinstance(error, errors.ServingError) else None
