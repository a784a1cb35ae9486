"""What a person sees at the end of a run: verdict, scores, where things are, what to try next."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import answer, config, served
from pipeline.console import Console
from pipeline.history import index
from pipeline.lineage import Output
from pipeline.paths import Paths, shown
from pipeline.recipe import CaptionRecipe, Recipe
from pipeline.runners.local import NodeResult


class Verdict(NamedTuple):
    """Whether the model was accepted, and the reasons in one line."""

    accepted: bool
    text: str


def tell(
    recipe: Recipe, paths: Paths, results: dict[str, NodeResult], console: Console, began: float
) -> Verdict:
    """Print the summary of a run.

    Args:
      recipe: What ran.
      paths: Its folders.
      results: What became of each node.
      console: Where to print.
      began: When the run began, by `time.monotonic`.

    Returns:
      The verdict; a slice that judged nothing counts as accepted.
    """
    console.line()
    verdict = Verdict(True, "")
    evaluation = _output(results, "GenerativeEvaluator", "evaluation")
    if evaluation:
        report = Path(evaluation.uri)
        found = json.loads((report / "evaluation.json").read_text(encoding="utf-8"))
        verdict = _verdict(found, results)
        tell_scores(found, verdict, console)
        if found["scores"]:
            console.line(f"sheet    {shown(report / 'samples.png')}")
        console.line(f"report   {shown(report / 'report.html')}")
    console.line(f"recipe   {shown(paths.output / 'recipe.yaml')}")
    pushed = _output(results, "Pusher", "pushed_model")
    if pushed and pushed.properties.get("pushed"):
        console.line(f"model    {shown(str(pushed.properties['pushed_destination']))}")
        answer.tell(recipe, paths, console)
    cached = sum(result.state == "cached" for result in results.values())
    console.line(f"all runs {shown(index.write(paths.output))}")
    reused = f"{cached} of {len(results)} nodes from the cache"
    console.line(f"took     {_took(results, began)}, {reused}")
    _suggest(recipe, paths, evaluation is not None, console)
    return verdict


def _took(results: dict[str, NodeResult], began: float) -> str:
    """Say how long it all took, and how much of that was the nodes' own work."""
    in_nodes = sum(result.seconds for result in results.values())
    return f"{time.monotonic() - began:.0f} s ({in_nodes:.0f} s in nodes)"


def _output(results: dict[str, NodeResult], node: str, key: str) -> Output | None:
    return results[node].outputs.get(key) if node in results else None


def _verdict(found: dict[str, Any], results: dict[str, NodeResult]) -> Verdict:
    """Join the gate's verdict and the serving check's."""
    reasons = [check["text"] for check in found["checks"] if check["passed"] is False]
    approval = _output(results, "Approval", "blessing")
    if approval and not approval.properties.get("blessed") and not reasons:
        reasons.append(str(approval.properties.get("blessing_message")))
    serving = _output(results, "ServingCheck", "blessing")
    if serving and not serving.properties.get("blessed"):
        reasons.append(f"the serving check failed: {serving.properties.get('reasons')}")
    return Verdict(not reasons, "; ".join(["not pushed", *reasons]) if reasons else "")


def tell_scores(found: dict[str, Any], verdict: Verdict, console: Console) -> None:
    """Print the verdict, its reasons and the figures of an `evaluation.json`."""
    console.line(f"verdict  {'BLESSED' if verdict.accepted else 'NOT BLESSED'}")
    for check in found["checks"]:
        mark = {True: "ok", False: "FAILED", None: "note"}[check["passed"]]
        console.line(f"         {mark:7}{check['text']}")
    failed = "; ".join(check["text"] for check in found["checks"] if check["passed"] is False)
    if not verdict.accepted and verdict.text.removeprefix("not pushed; ") != failed:
        console.line(f"         {verdict.text}")
    # Real data come in another number than samples: the names differ in their last part.
    floor = found.get("real_data_scores", {})
    real = {name.rsplit("_", 1)[0]: score for name, score in floor.items()} | floor
    width = max(map(len, found["scores"]), default=0)
    for name, score in found["scores"].items():
        twin = real.get(name) or real.get(name.rsplit("_", 1)[0])
        beside = f"  real data {twin['value']:.3g}" if twin else ""
        figure = f"{score['value']:8.3g} \N{PLUS-MINUS SIGN} {score['error']:<7.1g}"
        console.line(f"score    {name:{width}} {figure}{beside}".rstrip())


def _suggest(recipe: Recipe, paths: Paths, judged: bool, console: Console) -> None:
    """Print commands that work from here, for this recipe and this output folder."""
    command = shown(Path(sys.argv[0]).absolute())
    # A recipe file of one's own is known to later commands by the copy beside its runs.
    packaged = recipe.name in config.names()
    name = recipe.name if packaged else shown(paths.output / "recipe.yaml")
    here = paths.output == Paths.of(recipe.name).output
    folder = "" if here else f" --output-dir {shown(paths.output)}"
    longer = f"run {name}{folder} --set train.steps={recipe.train.steps * 2}"
    if served.newest(paths.serving(recipe.push.model_name)) is not None:
        told = [_request(recipe, paths, name, folder), longer, f"serve {name}{folder}"]
    elif judged:
        told = [f"report {recipe.name}{folder}", longer]
    else:
        told = [f"inspect {name}{folder} --stage example", f"run {name}{folder}"]
    console.line()
    console.line("try next")
    for text in told:
        console.line(f"         {command} {text}")


def _request(recipe: Recipe, paths: Paths, name: str, folder: str) -> str:
    """Write the command that asks the pushed model for something."""
    if isinstance(recipe, CaptionRecipe):
        photo = answer.photo(paths)
        return f"caption --recipe {name}{folder} {shown(photo) if photo else 'photo.jpg'}"
    label = " --label 0" if config.label_names(recipe) else ""
    return f"generate --recipe {name}{folder}{label} --count 16 --seed 1"
