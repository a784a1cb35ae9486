"""The `genvision data` commands: what data sets there are, and getting one ready."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.answers import json_option, tell
from pipeline.console import aligned, quiet
from pipeline.paths import RUNS, check_output, shown
from trainer import progress
from trainer.errors import Interrupted


@click.group()
def data() -> None:
    """List data sets, and prepare one before a run needs it."""


@data.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the data sets a recipe may name, with splits, licence and origin."""
    from components import datasets

    found, lines = [], []
    for name in datasets.DATASETS:
        spec = datasets.get(name)
        splits = ", ".join(f"{split} {size:,}" for split, size in spec.splits.items())
        lines.append(f"{name:14} {splits or 'splits of your own'}")
        lines += [f"{'':14} {text}" for text in (spec.origin, f"licence: {spec.licence}")]
        said = ("name", "version", "image_shape", "splits", "label_names", "licence", "origin")
        found.append({key: getattr(spec, key) for key in said})
    tell(found, lines, as_json)


@data.command()
@click.argument("name")
@click.option("--data-dir", metavar="DIR", help="Local folder or gs:// address. [runs/data]")
@click.option("--folder", metavar="DIR", help="Your own folder (image_folder, coco_folder).")
@click.option("--size", type=click.IntRange(1), help="Training records to make (scenes).")
@click.option("--seed", type=click.IntRange(0), help="Seed of made records (scenes).")
def prepare(
    name: str, data_dir: str | None, folder: str | None, size: int | None, seed: int | None
) -> None:
    """Download and prepare data set NAME, unless DIR already holds it.

    Checksums are those of tensorflow-datasets. Interrupted, it leaves nothing behind that could be
    taken for complete.
    """
    from components import datasets
    from components.datasets.base import Source
    from components.datasets.prepare import prepare as make_ready

    spec = datasets.resolve(name, Source(folder=folder, size=size, seed=seed))
    with _progress_only():
        ready = make_ready(spec, data_dir or RUNS / "data")
    splits = ", ".join(f"{key} {split.num_examples:,}" for key, split in ready.info.splits.items())
    click.echo(f"{name} {spec.version} is ready in {shown(ready.data_path)}: {splits}")


@data.command()
@click.argument("name")
@click.option("--split", metavar="SPLIT", help="Default: the first.")
@click.option("--count", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--out", metavar="PNG", help="Default: NAME.png")
@click.option("--data-dir", metavar="DIR", help="Local folder or gs:// address. [runs/data]")
@click.option("--folder", metavar="DIR", help="Your own folder (image_folder, coco_folder).")
@json_option
def show(
    name: str,
    split: str | None,
    count: int,
    out: str | None,
    data_dir: str | None,
    folder: str | None,
    as_json: bool,
) -> None:
    """Show the first records of data set NAME: a table, and a contact sheet as PNG.

    Later stages belong to a recipe: `genvision inspect`.
    """
    from components import contact_sheet, datasets
    from components.datasets.base import Source

    spec = datasets.resolve(name, Source(folder=folder))
    target = Path(out or f"{name}.png")
    check_output(target)
    with _progress_only():
        items = contact_sheet.records(spec, data_dir or RUNS / "data", count, split)
    contact_sheet.sheet(items).save(target)
    header, rows = contact_sheet.table(items)
    found = {"items": [item.facts for item in items], "sheet": str(target)}
    tell(found, [*aligned([header, *rows]), f"sheet: {shown(target)}"], as_json)


@contextlib.contextmanager
def _progress_only() -> Iterator[None]:
    """Show our progress lines and nothing of the libraries; say what an interruption leaves."""
    # Left open: an interrupted generator writes its last progress line when it is collected.
    progress.set_stream(os.fdopen(os.dup(2), "w"))
    try:
        with quiet():
            yield
    except (KeyboardInterrupt, Interrupted) as error:
        number = getattr(error, "signal_number", signal.SIGINT)
        raise Interrupted(
            number, "interrupted: nothing half-prepared is left, run the command again"
        ) from None
    finally:
        progress.set_stream(None)
