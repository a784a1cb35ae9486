"""Which engine a `tfx` command means, and the handler for it."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from pipeline.cluster import plugin

RUNNERS = {
    "KubeflowDagRunner": "kubeflow",
    "KubeflowV2DagRunner": "vertex",
    "LocalDagRunner": "local",
    "LocalRunner": "local",
    "BeamDagRunner": "beam",
    "AirflowDagRunner": "airflow",
}
"""Runner class that a pipeline file names -> engine that takes it."""

KEPT_ON_DISK = ("local", "beam", "airflow", "vertex")
"""Engines that remember their pipelines in a folder per pipeline under the home folder."""


def create_handler(flags: dict[str, Any], upstream: Callable[[dict[str, Any]], Any]) -> Any:
    """Make the handler of one `tfx` command.

    Args:
      flags: The command's flags, as TFX's commands fill them; `auto` is replaced by its choice.
      upstream: TFX's own `create_handler`, for every engine that is not ours.
    """
    if flags["engine"] == "auto" and (chosen := detect(flags)):
        flags["engine"] = chosen
        click.echo(f"Detected {chosen.capitalize()}.")
        click.echo("Use --engine flag if you intend to use a different orchestrator.")
    if flags["engine"] != "kubeflow":
        from pipeline.cluster import schema

        handler = upstream(flags)
        schema.teach(handler)
        return handler
    if trouble := plugin.trouble():
        sys.exit(f"The Kubeflow engine cannot start: {trouble}")
    from pipeline.cluster.handler import KubeflowHandler

    return KubeflowHandler(flags)


def detect(flags: dict[str, Any]) -> str:
    """Choose the engine for `--engine=auto` by what the command is about.

    In this order: an endpoint was given; the pipeline file names a runner; the pipeline is kept in
    the home of one engine alone; kfp is installed and Airflow is not.

    Returns:
      An engine's name; empty where TFX's own detection decides.
    """
    if flags.get("endpoint"):
        return "kubeflow"
    if "pipeline_dsl_path" in flags and (named := _runners_in(flags["pipeline_dsl_path"])):
        return named.pop() if len(named) == 1 else ""
    name = flags.get("pipeline_name")
    homes = {engine for engine in KEPT_ON_DISK if name and _home(engine).joinpath(name).is_dir()}
    if len(homes) == 1 and not _home("kubeflow").joinpath(str(name)).is_dir():
        return homes.pop()
    return "kubeflow" if _installed("kfp") and not _installed("apache-airflow") else ""


def _runners_in(path: str) -> set[str]:
    """List the engines whose runners a pipeline file names; nothing for an unreadable file."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return set()
    names = {
        getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
    }
    return {engine for runner, engine in RUNNERS.items() if runner in names}


def _home(engine: str) -> Path:
    default = os.path.join(os.environ.get("HOME", ""), "tfx", engine)  # noqa: PTH118 - as TFX
    return Path(os.environ.get(f"{engine.upper()}_HOME") or default)


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
