"""The runs of a recipe, as ML Metadata knows them: nodes, durations, scores, verdict, push."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.lineage import Lineage, Output
from pipeline.nodes import RESOLVERS
from pipeline.paths import RUNS, Paths, shown
from trainer.errors import UserError, unknown_name

STATES = {
    pb.Execution.COMPLETE: "done",
    pb.Execution.CACHED: "cached",
    pb.Execution.FAILED: "failed",
    pb.Execution.CANCELED: "stopped",
}
"""Words for what became of a node; any other state means that its process ended with it."""


@dataclasses.dataclass(frozen=True)
class NodeRun:
    """One node in one run."""

    node: str
    state: str
    """`done`, `cached`, `failed`, `stopped` or `unfinished`"""
    seconds: float
    execution: pb.Execution = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a recipe.

    Attributes:
      recipe: Name of the recipe.
      number: 1 for the first run in this output folder.
      started: Local time.
      nodes: In the order they ran.
      lineage: Where the answers come from.
      folder: Its output folder.
    """

    recipe: str
    number: int
    started: datetime.datetime
    nodes: tuple[NodeRun, ...]
    lineage: Lineage = dataclasses.field(repr=False)
    folder: Path

    @property
    def name(self) -> str:
        """How commands name it: `digits_cgan:3`."""
        return f"{self.recipe}:{self.number}"

    @property
    def seconds(self) -> float:
        """Seconds spent in nodes; starting TFX and asking the model come on top."""
        return sum(node.seconds for node in self.nodes)

    def output(self, node: str, key: str) -> Output | None:
        """Return what `node` made, or reused, in this run; None when it did not get there."""
        for run in self.nodes:
            if run.node == node:
                found = {output.key: output for output in self.lineage.outputs(run.execution)}
                return found.get(key)
        return None

    @functools.cached_property
    def evaluation(self) -> dict[str, Any]:
        """What the evaluator wrote, `evaluation.json`; empty when there is none (any more)."""
        made = self.output("GenerativeEvaluator", "evaluation")
        file = Path(made.uri) / "evaluation.json" if made else None
        return json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}

    @property
    def verdict(self) -> str:
        """What became of the model, in a word or two; `-` when it was not judged.

        `blessed`, `not blessed`, `not served`; with an approval instead of `blessed`: `waiting`,
        `approved`, `rejected` or, when nobody decided in time, `not approved`.
        """
        if not self.evaluation:
            return "-"
        served = self.output("ServingCheck", "blessing")
        if self.evaluation["blessed"] and served and not served.properties.get("blessed"):
            return "not served"
        asked = next((node for node in self.nodes if node.node == "Approval"), None)
        if self.evaluation["blessed"] and asked:
            undecided = "not approved" if asked.state == "failed" else "waiting"
            return self.approval.split(" ", 1)[0] or undecided
        return "blessed" if self.evaluation["blessed"] else "not blessed"

    @property
    def approval(self) -> str:
        """Who approved or rejected the model, when and why; empty when nobody has."""
        made = self.output("Approval", "blessing")
        return str(made.properties.get("decision", "")) if made else ""

    @property
    def pushed(self) -> str:
        """Version that this run pushed, or had pushed before when all was cached; else empty."""
        made = self.output("Pusher", "pushed_model")
        return str(made.properties.get("pushed_version", "")) if made else ""

    @property
    def report(self) -> Path | None:
        """The evaluation's HTML page."""
        made = self.output("GenerativeEvaluator", "evaluation")
        return Path(made.uri) / "report.html" if made else None

    def settings(self) -> dict[str, object]:
        """Every setting that any node was given, by dotted key: `train.steps`, `data.dataset`."""
        found: dict[str, object] = {}
        for run in self.nodes:
            found |= self.lineage.settings(run.execution)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Everything for `--json`."""
        return {
            "run": self.name,
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round(self.seconds, 3),
            "nodes": [
                {"node": n.node, "state": n.state, "seconds": round(n.seconds, 3)}
                for n in self.nodes
            ],
            "verdict": self.verdict,
            "scores": self.evaluation.get("scores", {}),
            "pushed_version": self.pushed or None,
            "report": str(self.report) if self.report else None,
        }


def of_folder(folder: Path) -> list[Run]:
    """Return all runs whose metadata lie in an output folder, oldest first.

    Raises:
      UserError: Nothing ran there.
    """
    recipe = Lineage.name_of(folder / "metadata.sqlite")
    lineage = Lineage.of(folder / "metadata.sqlite", recipe)
    runs = []
    for number, (started, executions) in enumerate(lineage.runs(), start=1):
        nodes = tuple(_node(lineage, node, execution) for node, execution in executions)
        runs.append(Run(recipe, number, started, nodes, lineage, folder))
    return runs


def folders(recipe: str | None = None, output: str | None = None) -> Iterator[Path]:
    """Yield the output folders to look into: the one given, the recipe's, or all below `runs/`."""
    if output or recipe:
        yield Paths.of(recipe or "", output).output
        return
    yield from sorted(path.parent.resolve() for path in RUNS.glob("*/metadata.sqlite"))


def find(name: str, output: str | None = None) -> Run:
    """Return the run that a person names.

    Args:
      name: `digits_cgan` for its newest run, `digits_cgan:3` for the third.
      output: Output folder, when it is not `runs/<recipe>`.

    Raises:
      UserError: There is no such run.
    """
    recipe, _, number = name.partition(":")
    runs = of_folder(Paths.of(recipe, output).output)
    if not runs:
        raise UserError(f"'{recipe}' has no runs in '{shown(Paths.of(recipe, output).output)}' yet")
    if not number:
        return runs[-1]
    if not number.isdecimal() or not 1 <= int(number) <= len(runs):
        raise unknown_name("run", name, [run.name for run in runs])
    return runs[int(number) - 1]


def _node(lineage: Lineage, node: str, execution: pb.Execution) -> NodeRun:
    took = execution.last_update_time_since_epoch - execution.create_time_since_epoch
    state = STATES.get(execution.last_known_state, "unfinished")
    if state == "done" and node in RESOLVERS and lineage.answer(execution, node)[0]:
        state = "cached"
    return NodeRun(node, state, took / 1000, execution)
