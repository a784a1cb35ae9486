"""What the commands `runs`, `report` and `tensorboard` say."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from pathlib import Path
from typing import Any

from pipeline.console import aligned, quiet
from pipeline.history.runs import Run, find, folders, of_folder
from pipeline.paths import Paths, shown
from trainer.errors import UserError
from trainer.progress import say

HEAD = ["RUN", "WHEN", "TOOK", "NODES", "VERDICT", "PUSHED", "SCORES"]
KEPT_SCORES = 3
"""Scores shown in a table's row."""


def runs(name: str | None, last: int, output: str | None, as_json: bool) -> list[Any]:
    """Describe runs, newest first: lines of a table, or one dictionary each for JSON.

    Args:
      name: A recipe, one run of it, or None for all recipes.
      last: How many of each recipe.
      output: Output folder, when it is not the recipe's default.
      as_json: Whether dictionaries are wanted.

    Raises:
      UserError: Nothing ran.
    """
    if name and ":" in name:
        run = find(name, output)
        return [run.as_dict()] if as_json else _nodes(run)
    found = [run for folder in folders(name, output) for run in of_folder(folder)[::-1][:last]]
    if not found and not as_json:
        raise UserError("nothing ran below 'runs' yet: begin with genvision run digits_cgan")
    return [run.as_dict() for run in found] if as_json else aligned([HEAD, *map(_row, found)])


def report(name: str, browse: bool, output: str | None) -> str:
    """Return the path of a run's report; with `browse` show it when there is a screen.

    Raises:
      UserError: The run has no report.
    """
    run = find(name, output)
    if run.report is None or not run.report.exists():
        others = [one.name for one in of_folder(Paths.of(run.recipe, output).output) if one.report]
        told = f"; the newest that did is {others[-1]}" if others else ""
        raise UserError(f"{run.name} has no report: it did not get to the evaluator{told}")
    if browse and not webbrowser.open(run.report.as_uri()):
        return f"{shown(run.report)} (no web browser here: open that file in one)"
    return shown(run.report)


def tensorboard(recipe: str, port: int, output: str | None) -> None:
    """Answer with TensorBoard on everything a recipe's trainings logged, until Ctrl-C.

    Raises:
      UserError: No training has begun, or the port is taken.
    """
    paths = Paths.of(recipe, output)
    made = sorted(paths.artifacts.glob("Trainer/model_run/*/tensorboard"))
    # Trainings that run or were interrupted log below their checkpoints.
    running = sorted(paths.checkpoints.glob("*/run/tensorboard"))
    if not made and not running:
        raise UserError(f"no training of '{recipe}' has begun in '{shown(paths.output)}': run it")
    named = [f"run-{path.parent.name}:{path}" for path in made]
    named += [f"now-{path.parent.parent.name}:{path}" for path in running]
    say("starting TensorBoard (some seconds)")
    with quiet():
        from tensorboard import program

        board = program.TensorBoard()
        board.configure(("tensorboard", "--logdir_spec", ",".join(named), "--port", str(port)))
        try:
            url = board.launch()
        except program.TensorBoardServerException as error:
            raise UserError(f"TensorBoard cannot answer: {error.msg}; --port names one") from None
    say(f"trainings: {len(named)}, at {url}, Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _row(run: Run) -> list[str]:
    scores = list(run.evaluation.get("scores", {}).items())[:KEPT_SCORES]
    told = ", ".join(f"{name} {score['value']:.3g}" for name, score in scores)
    when = run.started.strftime("%Y-%m-%d %H:%M")
    verdict, pushed = run.verdict, run.pushed or "-"
    return [run.name, when, _seconds(run.seconds), _count(run), verdict, pushed, told]


def _count(run: Run) -> str:
    """Say how many nodes ran and how many did not have to: "4 ran, 5 cached"."""
    states = [node.state for node in run.nodes]
    words = {"done": "ran"}
    kinds = sorted(set(states), key=states.index, reverse=True)
    return ", ".join(f"{states.count(kind)} {words.get(kind, kind)}" for kind in kinds)


def _nodes(run: Run) -> list[str]:
    rows = [["NODE", "STATE", "TOOK"]]
    rows += [[node.node, node.state, _seconds(node.seconds)] for node in run.nodes]
    lines = [f"{run.name} of {run.started:%Y-%m-%d %H:%M:%S}", "", *aligned(rows), ""]
    lines.append(f"verdict  {run.verdict}")
    for check in run.evaluation.get("checks", []):
        lines.append(f"         {check['text']}")
    lines += [f"pushed   {run.pushed}"] if run.pushed else []
    lines += [f"report   {shown(Path(run.report))}"] if run.report else []
    return lines


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
