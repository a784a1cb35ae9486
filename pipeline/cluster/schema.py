"""`tfx pipeline schema` for pipelines whose schema is reviewed by people, not generated."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path

import click
from tfx.dsl.io import fileio
from tfx.types import standard_component_specs
from tfx.utils import io_utils

NODE = "ReviewedSchema"
FILE = "schema.pbtxt"


def teach(handler: object) -> None:
    """Let one of TFX's handlers find our schema; where there is none it looks as it always did."""
    name = "_read_schema_from_pipeline_root"
    if upstream := getattr(handler, name, None):
        setattr(handler, name, lambda pipeline, root: copy(pipeline, root, upstream))


def copy(pipeline: str, root: str, upstream: Callable[[str, str], None]) -> None:
    """Copy the newest reviewed schema below a pipeline root to the working directory.

    Args:
      pipeline: The pipeline's name.
      root: Its root: a folder or an address that this machine can read.
      upstream: TFX's own look for a generated schema, asked when there is no reviewed one.
    """
    made = posixpath.join(root, NODE, standard_component_specs.SCHEMA_KEY)
    numbers = [n for n in fileio.listdir(made) if n.isdecimal()] if fileio.exists(made) else []
    if not numbers:
        upstream(pipeline, root)
        return
    target = Path.cwd() / FILE
    newest = posixpath.join(made, max(numbers, key=int), FILE)
    io_utils.copy_file(newest, str(target), overwrite=True)
    click.echo(f"Path to schema: {target}")
    click.echo(f"*********SCHEMA FOR {pipeline.upper()}**********")
    click.echo(target.read_text(encoding="utf-8"))
