"""Runs side by side: settings that differ, scores with their errors, sample sheets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.console import aligned
from pipeline.history import page
from pipeline.history.runs import Run, find
from pipeline.paths import check_output, shown
from trainer.errors import UserError

PLACES = ("data_dir", "state_dir", "checkpoint_root", "base_directory", "artifacts", "cache_dir")
"""Settings that say where, not what: they differ between output folders and mean nothing."""

WIDTH = 32
"""Characters of a setting's value that a cell of the printed table shows."""


def compare_runs(
    names: Sequence[str], out: str, force: bool, output_dir: str | None, as_json: bool
) -> Any:
    """Write the page and tell what differs.

    Args:
      names: Runs as a person names them.
      out: File of the page.
      force: Whether to set figures of different protocols side by side all the same.
      output_dir: Output folder, when it is not the recipes' default.
      as_json: Return the comparison itself, write no page.

    Raises:
      UserError: A run is not there or was not scored, fewer than two are named, or their figures
        cannot be compared.
    """
    if len(names) < 2:
        raise UserError("give at least two runs, for example digits_cgan:1 digits_cgan:2")
    runs = [find(name, output_dir) for name in names]
    for run in runs:
        if not run.evaluation:
            raise UserError(f"{run.name} was not scored: name a run that got to the evaluator")
    if not force:
        _check_protocols(runs)
    different, scores = differences(runs), score_table(runs)
    if as_json:
        return {"settings": different, "scores": scores}
    check_output(Path(out))
    Path(out).write_text(_render(runs, different, scores), encoding="utf-8")
    table = [["", *(run.name for run in runs)]]
    table += [[key, *map(_short, values)] for key, values in different.items()]
    for metric, row in scores.items():
        told = (f"{s['value']:.4g} ± {s['error']:.1g}" if s else "-" for s in row)
        table.append([metric, *told])
    return [*aligned(table), "", f"page     {shown(out)}"]


def differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return each setting that is not the same in all runs, with its value in each."""
    settings = [run.settings() for run in runs]
    keys = sorted(set().union(*settings))
    rows = {key: [str(one.get(key, "-")) for one in settings] for key in keys}
    return {
        key: values
        for key, values in rows.items()
        if len(set(values)) > 1 and key.rsplit(".", 1)[-1] not in PLACES
    }


def score_table(runs: Sequence[Run]) -> dict[str, list[dict[str, float] | None]]:
    """Return each figure's value and error in each run; None where it was not measured."""
    scores = [run.evaluation.get("scores", {}) for run in runs]
    names = dict.fromkeys(name for one in scores for name in one)
    return {name: [one.get(name) for one in scores] for name in names}


def _short(value: str) -> str:
    """Cut a fingerprint or a long list for a table's cell; the page has all of it."""
    return value if len(value) <= WIDTH else f"{value[: WIDTH - 3]}..."


def _check_protocols(runs: Sequence[Run]) -> None:
    """Figures of different extractors or data sets share a name and no scale."""
    for topic, keys in (("protocol", ("extractor_fingerprint",)), ("data", ("dataset",))):
        for key in keys:
            found = {run.name: run.evaluation.get(topic, {}).get(key) for run in runs}
            if len(set(found.values())) > 1:
                told = ", ".join(f"{name} {str(value)[:16]}" for name, value in found.items())
                raise UserError(
                    f"the runs differ in {key.replace('_', ' ')} ({told}): their figures do not "
                    "compare; --force sets them side by side all the same"
                )


def _render(
    runs: Sequence[Run],
    different: dict[str, list[str]],
    scores: dict[str, list[dict[str, float] | None]],
) -> str:
    sheets = [
        page.picture(run.report.with_name("samples.png")) if run.report else "" for run in runs
    ]
    return page.fill("compare.html", runs=runs, different=different, scores=scores, sheets=sheets)
