"""`genvision kubeflow`: compile a recipe to a package, run a package on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from trainer.errors import RunFailed, UserError


@click.group()
def kubeflow() -> None:
    """Packages for Kubeflow Pipelines: compile them, and run them without a cluster."""


@kubeflow.command("compile")
@click.argument("recipe")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe."
)
@click.option("--image", metavar="NAME:TAG", help="Default: kubernetes.image of the recipe.")
@click.option("--out", metavar="YAML", help="Default: RECIPE.yaml.")
def compile_(recipe: str, overrides: tuple[str, ...], image: str | None, out: str | None) -> None:
    """Compile a recipe to a Kubeflow Pipelines v2 package.

    What a run may choose at its start: metadata, output_dir, data_dir and the recipe's settings
    named in kubernetes.parameters (dots become underscores).
    """
    from pipeline import config, nodes
    from pipeline.console import quiet
    from pipeline.startup import much_to_import

    settings = [*overrides, *([f"kubernetes.image={image}"] if image else [])]
    resolved = config.load(recipe, settings)
    # Known before TFX is loaded.
    resolved.kubernetes.image_for()
    resolved.kubernetes.check_nodes(nodes.of(resolved))
    with quiet():
        with much_to_import():
            from pipeline.runners.kubeflow.runner import compile_recipe

        path = compile_recipe(resolved, out)
    click.echo(f"package  {path} ({path.stat().st_size:,} bytes)")


@kubeflow.command()
@click.argument("package")
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the run."
)
@click.option("--output-dir", metavar="DIR", help="Default: runs/PACKAGE-kubeflow.")
@click.option(
    "--max-backoff",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="Longest wait before a retry, in seconds; the package may say longer.",
)
@click.option("--warm", is_flag=True, help="Load TFX once and fork: ten times quicker starts.")
def execute(
    package: str,
    parameters: tuple[str, ...],
    output_dir: str | None,
    max_backoff: float,
    warm: bool,
) -> None:
    """Run a compiled PACKAGE here: its container commands, in order, by this interpreter.

    Retries, placeholders and the exit task are as on Kubeflow; metadata (SQLite), artifacts and
    models go below the output folder. Images, volumes and node pools play no part.
    """
    from pipeline.paths import RUNS

    given = {}
    for text in parameters:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UserError(f"--param '{text}' should be NAME=VALUE, for example train_steps=200")
        given[name] = value
    if not Path(package).is_file():
        raise UserError(
            f"no package '{package}': give a file that `genvision kubeflow compile` wrote"
        )
    from pipeline.runners.kubeflow import execute as local

    folder = Path(output_dir) if output_dir else RUNS / f"{Path(package).stem}-kubeflow"
    result = local.execute(Path(package), folder, given, max_backoff, click.echo, warm)
    click.echo(f"run      {result.run_id} {result.state.lower()}")
    if result.state != local.SUCCEEDED:
        failed = [task.name for task in result.tasks.values() if task.state == local.FAILED]
        raise RunFailed(f"{', '.join(failed)} failed; the logs named above have the causes")


COMMANDS = (kubeflow,)
