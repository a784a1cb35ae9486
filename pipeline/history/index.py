"""The page of an output folder: every run with its verdict, scores, sheet and links; a gallery."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pipeline.history import page
from pipeline.history.runs import Run, of_folder

NAME = "index.html"
SHOWN_SCORES = 4
ANIMATIONS = ("*.gif", "*.apng", "*.webp")


def write(folder: Path) -> Path:
    """Write `index.html` into an output folder; links are relative, so the folder can be moved.

    Returns:
      The page's path.

    Raises:
      UserError: Nothing ran there.
    """
    runs = of_folder(folder)
    told = [_told(run, folder) for run in runs]
    # A cached run shows what an earlier one made: the gallery has each sheet once, its maker's.
    sheets: dict[str, dict[str, Any]] = {}
    for entry in told:
        if entry["sheet"]:
            sheets.setdefault(entry["sheet"], entry)
    gallery = list(sheets.values())[::-1]
    path = folder / NAME
    aside = folder / f".{NAME}.{os.getpid()}"
    text = page.fill("index.html", recipe=runs[-1].recipe, runs=told[::-1], gallery=gallery)
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return path


def _told(run: Run, folder: Path) -> dict[str, Any]:
    trained = run.output("Trainer", "model_run")
    moving = [
        file
        for pattern in ANIMATIONS
        for file in sorted(Path(trained.uri).glob(pattern) if trained else ())
    ]
    scores = list(run.evaluation.get("scores", {}).items())[:SHOWN_SCORES]
    return {
        "run": run,
        "scores": [(name, f"{score['value']:.3g}") for name, score in scores],
        "report": _link(run.report, folder),
        "sheet": _link(run.report.with_name("samples.png") if run.report else None, folder),
        "animation": _link(moving[0] if moving else None, folder),
        "training": _link(Path(trained.uri) if trained else None, folder),
    }


def _link(path: Path | None, folder: Path) -> str:
    return os.path.relpath(path, folder) if path and path.exists() else ""
