"""Deployment commands at work: a recipe's destination, its server, scores and tables."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import config
from pipeline.console import aligned
from pipeline.paths import Paths
from serving import deployment
from serving.admin import Admin
from serving.canary import Rules, check
from serving.deployment import LABELS, Destination
from serving.errors import ServingError
from serving.options import Address
from serving.release import Release
from trainer.errors import RunFailed, UserError

KEPT_SCORES = 3
"""Scores shown in a table's row."""


class Place(NamedTuple):
    """Which destination, and which server answers for it.

    Attributes:
      recipe: Whose push destination.
      output_dir: Output folder of the recipe's runs; None for the default.
      config_file: Model config to change; None for `models.config` beside the version folders.
      seen_as: The version folders' parent as the server sees it; empty for the same path.
      target: The server.
      no_server: Change labels without asking one.
      wait: Seconds that the server may take for each step.
      apply: Command to run after each change of the file; empty for none.
    """

    recipe: str
    output_dir: str | None = None
    config_file: str | None = None
    seen_as: str = ""
    target: Address | None = None
    no_server: bool = False
    wait: float = 60.0
    apply: str = ""

    def destination(self) -> Destination:
        """Describe the push destination; UserError for a recipe that is not there."""
        recipe = config.load(self.recipe)
        model = recipe.push.model_name
        base = Paths.of(recipe.name, self.output_dir).serving(model)
        file = Path(self.config_file) if self.config_file else None
        if file is not None and not file.absolute().parent.is_dir():
            raise UserError(f"--config-file {file}: there is no folder '{file.absolute().parent}'")
        return Destination.of(model, base, file, self.seen_as)


@contextlib.contextmanager
def release(place: Place) -> Iterator[Release]:
    """Open a destination for changes.

    Raises:
      UserError: Neither a server nor the word that none is to be asked.
    """
    to = place.destination()
    to.versions()
    apply = _runner(place.apply)
    if place.no_server:
        yield Release(to, None, apply, scores(place))
    elif place.target is None:
        raise UserError(
            "give --target HOST:PORT of a running server: a label moves only to a version that "
            "answers there. With --no-server the file is written unchecked: a label may name a "
            "version that does not load, and a server that runs may refuse it and keep the old one"
        )
    else:
        with Admin(place.target, to.model, wait_s=place.wait) as admin:
            yield Release(to, admin, apply, scores(place))


def try_canary(
    place: Place, version: int, rules: Mapping[str, Any], promote: bool, why: str
) -> list[str]:
    """Run a canary check and tell figures, rules and decision.

    Args:
      place: Destination and server.
      version: The candidate.
      rules: Fields of `serving.canary.Rules`.
      promote: Whether a good one becomes stable.
      why: Reason for trying it, for the history.

    Raises:
      RunFailed: It fell back; the message has the reasons.
      UserError, ServingError: It could not be tried.
    """
    with release(place) as to:
        verdict = check(to, version, Rules(**rules), promote, why)
    rows = [["", "REQUESTS", "ERRORS", "P50 MS", "P95 MS"]]
    for name, seen in (("stable", verdict.stable), ("canary", verdict.canary)):
        told = seen.summary()
        keys = ("requests", "errors", "p50_ms", "p95_ms")
        rows.append([name, *(str(told.get(key, "-")) for key in keys)])
    lines = aligned(rows)
    lines += [f"kept    {text}" for text in verdict.kept]
    if not verdict.good:
        print("\n".join(lines))
        raise RunFailed(f"version {version} fell back: {verdict.why()}{verdict.undone}")
    if verdict.undone:
        print("\n".join(lines))
        raise UserError(f"version {version} kept every rule, but {verdict.undone}")
    return [*lines, f"version {version} is {'stable' if promote else 'a good canary'}"]


def prune(place: Place, keep: int, why: str, dry_run: bool) -> list[int]:
    """Delete old versions, or only tell which; see `Release.prune`.

    Raises:
      UserError: Neither labels nor a server tell which versions are in use.
      ServingError: Nothing was pushed yet, or the server does not answer.
    """
    to = place.destination()
    to.versions()
    if place.target is None and not place.no_server and not to.labels():
        raise UserError(
            f"no version of '{to.model}' has a label, so a server answers with the newest one that "
            "loads: give --target HOST:PORT of the server, which tells the versions in use, or "
            "--no-server if none runs"
        )
    with release(place._replace(no_server=place.target is None)) as found:
        return found.prune(keep, why, dry_run)


def scores(place: Place) -> Callable[[int], dict[str, float]]:
    """Return a function from version to scores: the model's own, else its evaluation's."""
    to = place.destination()

    def find(version: int) -> dict[str, float]:
        return deployment.scores(to.base / str(version)) or _evaluated(place, version)

    return find


def versions(place: Place) -> list[dict[str, Any]]:
    """Describe a destination's versions: labels, state on the server, time, bytes, scores.

    Raises:
      UserError, ServingError: Nothing was pushed yet, or the server does not answer.
    """
    to = place.destination()
    known, labels, found = to.versions(), to.labels(), scores(place)
    states = {}
    if place.target:
        with Admin(place.target, to.model) as admin:
            states = {version: row.state for version, row in admin.states().items()}
    return [
        {
            "version": version,
            "labels": [label for label in LABELS if labels.get(label) == version],
            "state": states.get(version, "not loaded" if states else "-"),
            "pushed": datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(
                timespec="seconds"
            ),
            "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            "scores": found(version),
        }
        for version, path in known.items()
    ]


def table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put what `versions` found into columns."""
    rows = [["VERSION", "LABELS", "STATE", "PUSHED (UTC)", "MB", "SCORES"]]
    for row in found:
        figures = list(row["scores"].items())[:KEPT_SCORES]
        told = ", ".join(f"{name} {value:.3g}" for name, value in figures)
        labels, pushed = ",".join(row["labels"]) or "-", _shown(row["pushed"][:16])
        size = f"{row['bytes'] / 1e6:.1f}"
        rows.append([str(row["version"]), labels, row["state"], pushed, size, told])
    return aligned(rows)


def history(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put what was done to a destination into columns, oldest first."""
    rows = [["TIME (UTC)", "WHO", "ACTION", "VERSION", "WHY"]]
    for line in events:
        cells = (
            _shown(line["time"][:19]),
            line["who"],
            line["action"],
            line["version"],
            line["why"],
        )
        rows.append([str(cell) for cell in cells])
    return aligned(rows)


def _shown(time: str) -> str:
    return time.replace("T", " ")


def served(target: Address, models: Sequence[str]) -> list[dict[str, Any]]:
    """Tell what a server serves: every version of each model, its state and labels.

    Args:
      target: The server.
      models: Names to ask for; none asks for every packaged recipe's model (the API has no call
        that lists models).

    Raises:
      UserError: One that was named is not served there, or none of the recipes' is.
      ServingError: No server answers.
    """
    names = models or sorted({config.load(name).push.model_name for name in config.names()})
    found: list[dict[str, Any]] = []
    for model in names:
        with Admin(target, model) as admin:
            states = admin.states()
            means = {label: admin.labelled(label) for label in LABELS} if states else {}
        for version, row in states.items():
            named = [label for label in LABELS if means[label] == version]
            error = " ".join(row.error.split())
            facts = {"model": model, "version": version, "state": row.state}
            found.append({**facts, "labels": named, "error": error})
    missing = set(models) - {row["model"] for row in found}
    if missing or not found:
        unknown = ", ".join(sorted(missing) or names)
        raise UserError(f"{target} serves none of: {unknown}; name others with --model")
    return found


def served_table(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put what `served` found into columns."""
    rows = [["MODEL", "VERSION", "STATE", "LABELS", "ERROR"]]
    for row in found:
        labels = ",".join(row["labels"]) or "-"
        rows.append([row["model"], str(row["version"]), row["state"], labels, row["error"]])
    return aligned(rows)


def _runner(command: str) -> Callable[[], None]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"--apply {command}: {error}") from None

    def run() -> None:
        if not words:
            return
        try:
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise ServingError(f"--apply: {error}") from None

    return run


def _evaluated(place: Place, version: int) -> dict[str, float]:
    """Find the scores of a pushed version in the metadata of the run that pushed it."""
    recipe = config.load(place.recipe)
    metadata = Paths.of(recipe.name, place.output_dir).metadata
    if not metadata.exists():
        return {}
    from pipeline.lineage import DONE, Lineage

    lineage = Lineage.of(metadata, recipe.name)
    for push in lineage.executions("Pusher"):
        pushed = [output.properties.get("pushed_version") for output in lineage.outputs(push)]
        if str(version) not in pushed:
            continue
        # The evaluation before the push judged what was pushed: it made the blessing it needs.
        for execution in lineage.executions("GenerativeEvaluator"):
            if execution.id < push.id and execution.last_known_state in DONE:
                uris = [o.uri for o in lineage.outputs(execution) if o.key == "evaluation"]
                return _read_scores(Path(uris[0]) / "evaluation.json") if uris else {}
    return {}


def _read_scores(file: Path) -> dict[str, float]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["scores"]
        return {name: float(score["value"]) for name, score in found.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
