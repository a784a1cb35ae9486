"""A local run as a person meets it: lock, log file, node lines, one request, summary."""

from __future__ import annotations

import datetime
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from components.approval import decision
from pipeline import config, lock, nodes
from pipeline.console import Console, redirected
from pipeline.paths import Paths, shown
from pipeline.recipe import Recipe
from pipeline.startup import much_to_import
from trainer.errors import RunFailed, UserError

if TYPE_CHECKING:
    from pipeline.runners.local import NodeResult


def run(
    recipe: Recipe, paths: Paths, first: str | None, last: str | None, began: float | None = None
) -> None:
    """Run a recipe, or the slice of it from node `first` to node `last`.

    Args:
      recipe: What to run.
      paths: Its folders.
      first: Node to begin with; None for all from the start.
      last: Node to end with; None for all to the end.
      began: When the work began, by `time.monotonic`; None for now.

    Raises:
      UserError: Something given is wrong, or a slice needs an earlier run that is not there.
      RunFailed: The gate refused the model; what was serving stays.
      Interrupted: A signal came in training; the state is saved.
    """
    nodes.check_range(recipe, first, last)
    paths.check_writable()
    if first and not paths.metadata.exists():
        raise UserError(
            f"--from {first} continues an earlier run and there is none in "
            f"'{shown(paths.output)}': run without --from first"
        )
    if recipe.approve.required:
        # Its node comes after the training: too late to hear of a key that is not there.
        decision.read_key(recipe.approve.key_file)
    began = time.monotonic() if began is None else began
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    log = paths.logs / f"{stamp}.log"
    with lock.held(paths), redirected(log) as console:
        (paths.output / "recipe.yaml").write_text(config.dump(recipe), encoding="utf-8")
        _announce(recipe, paths, log, console)
        results = run_nodes(recipe, paths, first, last, console)
        # Imported only now: by here TensorFlow is loaded anyway.
        from pipeline import summary

        verdict = summary.tell(recipe, paths, results, console, began)
        _track(recipe, paths, console)
    if not verdict.accepted:
        raise RunFailed(verdict.text)


def _track(recipe: Recipe, paths: Paths, console: Console) -> None:
    """Record the run in MLflow if the recipe says so; a record that fails costs no run."""
    if recipe.track.mlflow:
        from pipeline import track

        try:
            said = track.record(
                recipe.name, recipe.track.mlflow, recipe.track.experiment, str(paths.output)
            )
        except UserError as error:
            said = f"not recorded: {error}; genvision track {recipe.name} tries again"
        console.line(f"mlflow   {said}")


def _announce(recipe: Recipe, paths: Paths, log: Path, console: Console) -> None:
    """Print what is about to happen: every setting, and where things will go."""
    for text in describe(recipe, paths):
        console.line(text)
    console.line(f"log      {shown(log)}")
    console.line()
    console.pending("starting TFX (some ten seconds)")


def describe(recipe: Recipe, paths: Paths) -> list[str]:
    """Put the resolved recipe into a few lines, one per section."""
    lines = [f"{recipe.name}: {recipe.description}"]
    for section in ("data", "model", "train", "evaluate", "push", "beam"):
        pairs = config.settings(getattr(recipe, section))
        given = {key: value for key, value in pairs if value not in (None, (), {})}
        text = ", ".join(f"{key} {config.compact(value)}" for key, value in given.items())
        lines += textwrap.wrap(
            text,
            100,
            initial_indent=f"{section:9}",
            subsequent_indent=" " * 9,
            break_long_words=False,
            break_on_hyphens=False,
        )
    lines.append(f"{'folders':9}output {shown(paths.output)}, data {shown(paths.data)}")
    return lines


def run_nodes(
    recipe: Recipe, paths: Paths, first: str | None, last: str | None, console: Console
) -> dict[str, NodeResult]:
    """Import TFX, wire, and run node after node."""
    with much_to_import():
        from tfx.orchestration.pipeline import RunOptions

        from pipeline import build
        from pipeline.runners.local import LocalRunner

    def before(node: str, number: int, count: int) -> None:
        console.pending(f"[{number}/{count}] {node} ...")

    def after(result: NodeResult, number: int, count: int) -> None:
        took = f"{result.seconds:6.1f} s"
        node = f"[{number}/{count}] {result.node}".ljust(len(f"[{count}/{count}] ") + 20)
        console.line(f"{node} {result.state:8}{took}  {result.why}")

    paths.artifacts.mkdir(parents=True, exist_ok=True)
    runner = LocalRunner(before, after)
    # Named one by one: TFX follows only what descends from `first`, a person means "from here".
    part = list(nodes.selected(recipe, first, last))
    options = RunOptions(part, part) if first or last else None
    try:
        runner.run(build.create_pipeline(recipe, paths), options)
    except LookupError as error:
        raise UserError(
            f"--from {first} needs what the nodes before it made in the last run, and that run did "
            f"not get there: run without --from ({error})"
        ) from None
    return runner.results
