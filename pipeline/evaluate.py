"""The `genvision evaluate` command: score any model or set of images as a run would."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.paths import Paths, shown
from trainer.errors import RunFailed, UserError

if TYPE_CHECKING:
    from pipeline.console import Console
    from pipeline.recipe import Recipe

DATA, REFERENCE = "DataCheck", "ReferenceStatistics"


@click.command()
@click.argument("model")
@click.argument("recipe")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting of the recipe."
)
@click.option("--baseline", metavar="DIR", help="SavedModel that MODEL must not be worse than.")
@click.option("--out", metavar="DIR", help="Where the report goes. Default: OUTPUT/evaluations/...")
@click.option("--data-dir", metavar="DIR", help="Prepared TFDS data. Default: runs/data.")
@click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
def evaluate(
    model: str,
    recipe: str,
    overrides: tuple[str, ...],
    baseline: str | None,
    out: str | None,
    data_dir: str | None,
    output_dir: str | None,
) -> None:
    """Score MODEL by RECIPE's data, extractor and thresholds, outside a run.

    MODEL is the folder of a SavedModel with the signatures of this project, or, for recipes that
    make images, a folder of PNG or JPEG pictures or an .npz with an array `images`. The data are
    read as a run reads them, and reused where a run already has. Prints the scores and writes the
    report; exit code 1 says that the gate would refuse the model.
    """
    from pipeline import config, lock
    from pipeline.console import redirected

    resolved = config.load(recipe, overrides)
    paths = Paths.of(resolved.name, output_dir, data_dir)
    paths.check_writable()
    check_given(model, baseline)
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path(out).resolve() if out else paths.output / "evaluations" / stamp
    with (
        lock.held(paths),
        redirected(paths.logs / f"{stamp}-evaluate.log") as console,
    ):
        found = _evaluate(resolved, paths, model, baseline, folder, console)
        reasons = [check["text"] for check in found["checks"] if check["passed"] is False]
        from pipeline.summary import Verdict, tell_scores

        console.line()
        tell_scores(found, Verdict(found["blessed"], "; ".join(reasons)), console)
        console.line(f"report   {shown(folder / 'report.html')}")
    if not found["blessed"]:
        raise RunFailed("; ".join(reasons))


def check_given(model: str, baseline: str | None) -> None:
    """Raise UserError for what is not there; before anything heavy is imported."""
    for name, path in (("MODEL", model), ("--baseline", baseline)):
        if path and "://" not in path and not Path(path).exists():
            raise UserError(f"{name} '{path}' does not exist: name a folder or an .npz file")
    if baseline and "://" not in baseline and not (Path(baseline) / "saved_model.pb").exists():
        raise UserError(f"--baseline '{baseline}' is no SavedModel: it has no saved_model.pb")


def _evaluate(
    recipe: Recipe, paths: Paths, model: str, baseline: str | None, out: Path, console: Console
) -> dict[str, Any]:
    """Read the data, evaluate and write the report; returns the content of evaluation.json."""
    console.pending("starting TFX (some ten seconds)")
    from pipeline import nodes, run
    from pipeline.startup import much_to_import

    with much_to_import():
        from components.evaluator import tasks

    settings: Any = recipe.evaluate
    more = {}
    if settings.task == "image":
        more = {"open_model": _opener(model, settings.samples)}
    has_reference = REFERENCE in nodes.of(recipe)
    results = run.run_nodes(recipe, paths, None, REFERENCE if has_reference else DATA, console)
    began = time.monotonic()
    task = tasks.of(settings)
    result = task.evaluate.evaluate(
        model,
        results[DATA].outputs["checked"].uri,
        settings,
        _beam(recipe),
        str(out / ".scratch"),
        results[REFERENCE].outputs["reference"].uri if has_reference else None,
        baseline,
        **more,
    )
    task.report.write(result, str(out), [])
    console.line(f"took     {time.monotonic() - began:.1f} s without reading the data")
    return json.loads((out / "evaluation.json").read_text(encoding="utf-8"))


def _opener(model: str, samples: int) -> Callable[[str], Any]:
    """Choose what stands behind MODEL; UserError if it holds fewer images than are asked for."""
    from components.evaluator.contract import Generator
    from components.evaluator.images import Images, is_model

    if not model.endswith(".npz") and is_model(model):
        return Generator
    count = len(Images(model))
    if count < samples:
        raise UserError(
            f"'{model}' holds {count} images and the recipe asks for {samples}, which is part of "
            f"its figures' names: give more, or --set evaluate.samples={count} and thresholds to "
            "match"
        )
    return Images


def _beam(recipe: Recipe) -> Callable[[], Any]:
    import apache_beam as beam

    from pipeline.nodes import IN_MEMORY_BEAM, IN_THREADS

    return lambda: beam.Pipeline(argv=list(recipe.beam.args or (*IN_MEMORY_BEAM, *IN_THREADS)))
