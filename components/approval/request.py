"""What a waiting run asks for, as a file beside the decisions: by when, signed by which key."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from pathlib import Path

from components.approval.settings import Approve


@dataclasses.dataclass(frozen=True)
class Request:
    """One run's wait for a decision about one model.

    Attributes:
      run: The run's id. An attempt that follows a lost machine waits no longer than the first.
      ends: When the wait is over, seconds since the epoch.
      key_file: Secret that the decision must be signed with, as the recipe names it; or None.
    """

    run: str
    ends: float
    key_file: str | None


def made(folder: Path, model: str, settings: Approve, run: str) -> Request:
    """Return this run's request about a model; the first attempt makes it."""
    before = read(folder, model)
    if before and before.run == run:
        return before
    request = Request(run, time.time() + settings.hours * 3600, settings.key_file)
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, model)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(dataclasses.asdict(request)) + "\n", encoding="utf-8")
    aside.replace(path)
    return request


def read(folder: Path, model: str) -> Request | None:
    """Return the newest request about a model; None when no run ever waited for it."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Request(**json.loads(_path(folder, model).read_text(encoding="utf-8")))
    return None


def _path(folder: Path, model: str) -> Path:
    return folder / f"{model}.asked.json"
