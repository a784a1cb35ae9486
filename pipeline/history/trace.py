"""Where a model comes from and where it went: data, code, settings, scores, pushes, labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.history.runs import Run, find, folders, of_folder
from pipeline.paths import shown
from trainer.errors import UserError


class Trace(dict[str, Any]):
    """What is known of a model, by topic; printable as lines and as JSON."""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield topic and text; the topic of a further line is empty."""
        for topic, value in self.items():
            parts = value if isinstance(value, list) else [value]
            for number, part in enumerate(parts or ["none"]):
                yield (topic if number == 0 else ""), _text(part)


def trace(model: str, output: str | None = None) -> Trace:
    """Tell all about a model: who trained it, and what the run named here did with it since.

    Args:
      model: A run's name, a pushed version's number, or a folder: the model artifact's or the
        pushed version's.
      output: Output folder, when it is not the recipe's default.

    Raises:
      UserError: No run made or pushed it.
    """
    judged = _find(model, output)
    run = _maker(judged)
    made = run.output("Trainer", "model")
    settings = run.settings()
    found = Trace(
        model=f"{shown(made.uri) if made else 'none'}, made by {run.name} of {run.started:%c}"
    )
    found["data"] = _data(run)
    found["code"] = f"trainer {settings.get('code', 'unknown')}"
    found["model is"] = _chosen(settings, "model.")
    found["training"] = _chosen(settings, "train.")
    found["parents"] = f"warm start: {settings.get('train.warm_start') or 'none'}"
    found["scores"] = [
        {name: f"{score['value']:.4g} \N{PLUS-MINUS SIGN} {score['error']:.2g}"}
        for name, score in judged.evaluation.get("scores", {}).items()
    ]
    checks = judged.evaluation.get("checks", [])
    found["verdict"] = [judged.verdict, *(check["text"] for check in checks)]
    found["approval"] = judged.approval or "none asked for, none given"
    found["served"] = _served(judged)
    return found


def _find(model: str, output: str | None) -> Run:
    if not model.isdecimal() and "/" not in model:
        return find(model, output)
    path = str(Path(model).resolve())
    version = model if model.isdecimal() else Path(model).name
    for folder in folders(None, output):
        for run in of_folder(folder)[::-1]:
            made = run.output("Trainer", "model")
            if version == run.pushed or (made and path.startswith(made.uri)):
                return run
    raise UserError(
        f"no run below '{output or 'runs'}' made or pushed '{model}': name a run (digits_cgan:3), "
        "a version's number or a model's folder, and --output-dir when it is elsewhere"
    )


def _maker(run: Run) -> Run:
    """Go back from a run that reused a model to the one that trained it."""
    model = run.output("Trainer", "model")
    for other in of_folder(run.folder):
        made = other.output("Trainer", "model")
        if model and made and made.uri == model.uri:
            return other
    return run


def _data(run: Run) -> list[str]:
    examples = run.output("TfdsExampleGen", "examples")
    file = Path(examples.uri) / "manifest.json" if examples else None
    if not file or not file.exists():
        return ["unknown: the examples are gone"]
    told = json.loads(file.read_text(encoding="utf-8"))
    lines = [f"{told['dataset']} {told['version']}, fingerprint {told['fingerprint']}"]
    for name, split in told["splits"].items():
        lines.append(f"{name}: {split['records']:,} records of '{split['expression']}'")
    return lines


def _chosen(settings: dict[str, object], prefix: str) -> str:
    chosen = {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}
    return ", ".join(f"{key} {value}" for key, value in chosen.items()) or "unknown"


def _served(run: Run) -> list[str]:
    """Tell under which version and labels it was pushed, and what was done with it since."""
    made = run.output("Pusher", "pushed_model")
    if not made or not run.pushed:
        return ["never pushed"]
    from serving.deployment import Destination

    folder = Path(str(made.properties["pushed_destination"])).parent
    to = Destination.of(folder.name, folder)
    labels = [name for name, version in to.labels().items() if str(version) == run.pushed]
    there = "" if (folder / run.pushed).is_dir() else " (removed since)"
    lines = [f"version {run.pushed} in {shown(folder)}{there}"]
    lines.append(f"labels: {', '.join(labels) or 'none'}")
    for event in to.history():
        if str(event["version"]) == run.pushed:
            why = f": {event['why']}" if event["why"] else ""
            lines.append(f"{event['time'][:19]} {event['action']} by {event['who']}{why}")
    return lines


def _text(part: Any) -> str:
    if isinstance(part, dict):
        return ", ".join(f"{key} {value}" for key, value in part.items())
    return str(part)
