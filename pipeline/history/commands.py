"""Commands about what ran: runs, compare, lineage, report, tensorboard."""

from __future__ import annotations

from typing import Any

import click

from pipeline.answers import json_option, tell

_OUTPUT = click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")


@click.command()
@click.argument("run", required=False, metavar="[RECIPE|RUN]")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Newest runs.")
@_OUTPUT
@json_option
def runs(run: str | None, last: int, output_dir: str | None, as_json: bool) -> None:
    """List runs: when, how long, cached or not, verdict, scores, pushed version.

    Of all recipes, of one (`digits_cgan`), or one run node by node (`digits_cgan:3`).
    """
    from pipeline.history import show

    found = show.runs(run, last, output_dir, as_json)
    tell(found, found, as_json)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN...")
@click.option("--out", default="compare.html", show_default=True, metavar="HTML")
@click.option("--force", is_flag=True, help="Also figures of different extractors or data.")
@_OUTPUT
@json_option
def compare(names: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Compare runs: settings that differ, scores with errors, sample sheets in one HTML page.

    A RUN is a recipe's newest run (`digits_cgan`) or a numbered one (`digits_cgan:3`).
    """
    from pipeline.history.compare import compare_runs

    found = compare_runs(names, as_json=as_json, **options)
    tell(found, found, as_json)


@click.command()
@click.argument("model", metavar="RUN|VERSION|FOLDER")
@_OUTPUT
@json_option
def lineage(model: str, output_dir: str | None, as_json: bool) -> None:
    """Tell where a model comes from and where it went.

    MODEL is a run (`digits_cgan:3`), a pushed version's number, or a model's folder. Told are data,
    code, settings, parents, scores, approval, pushes and the labels it serves under.
    """
    from pipeline.history.trace import trace

    found = trace(model, output_dir)
    tell(found, (f"{key:9}{text}" for key, text in found.lines()), as_json)


@click.command()
@click.argument("run", default="digits_cgan")
@click.option("--open", "browse", is_flag=True, help="Show it in the web browser.")
@_OUTPUT
@json_option
def report(run: str, browse: bool, output_dir: str | None, as_json: bool) -> None:
    """Print the path of a run's evaluation report, or open it."""
    from pipeline.history import show

    found = show.report(run, browse, output_dir)
    tell({"report": found}, [found], as_json)


@click.command()
@click.argument("recipe", default="digits_cgan")
@click.option("--port", type=click.IntRange(0, 65_535), default=6006, show_default=True)
@_OUTPUT
def tensorboard(recipe: str, port: int, output_dir: str | None) -> None:
    """Show the training curves of a recipe's runs, running ones included, until Ctrl-C."""
    from pipeline.history import show

    show.tensorboard(recipe, port, output_dir)


COMMANDS = (runs, compare, lineage, report, tensorboard)
