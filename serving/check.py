"""`python -m serving.check`: does a candidate model answer real requests as promised?

The model is served by a child process, so that a model that crashes or hangs costs a reason in the
report and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from serving.client import Client
from serving.errors import ServingError
from serving.probe import Findings, examine

MODEL = "candidate"
_SERVER = [
    *(sys.executable, "-m", "serving.server", "--model-name", MODEL),
    *("--port", "0", "--grace-seconds", "0"),
]
REQUESTS, TIME_LIMIT_S = 20, 180.0
_LOST = (
    "what cannot be found was not restored: signatures read variables that were saved as copies; "
    "save the variables themselves, not the layers that hold them"
)


def check(
    model_dir: Path, report: Path, requests: int = REQUESTS, limit_s: float = TIME_LIMIT_S
) -> bool:
    """Serve a SavedModel on a loopback port, ask it real questions, write a JSON report.

    Args:
      model_dir: The SavedModel folder (with saved_model.pb); it is looked at in place.
      report: Written whole or not at all: ok, reasons, latency_ms by signature and batch size,
        signatures, requests, ready_s (start to first answer, s) and total_s.
      requests: Timed requests per signature and batch size.
      limit_s: After so many seconds the model has failed.

    Returns:
      Whether the model kept every promise.

    Raises:
      ServingError: For a folder that does not exist or a report that cannot be written.
    """
    if not model_dir.is_dir():
        raise ServingError(f"no such model folder: {model_dir}")
    if requests < 1:
        raise ServingError(f"--requests must be at least 1; got {requests}")
    if not (report.parent.is_dir() and os.access(report.parent, os.W_OK)):
        raise ServingError(f"cannot write {report}: its folder must exist and be writable")
    report.unlink(missing_ok=True)  # an old verdict must not outlive a check that is cut off
    found, start = Findings(), time.monotonic()
    ready_s = None
    try:
        with _served(model_dir.absolute(), start + limit_s) as target:
            ready_s = round(time.monotonic() - start, 3)
            with Client(target, MODEL, timeout_s=min(30.0, limit_s)) as client:
                examine(client, requests, found)
            if any("Could not find variable" in reason for reason in found.reasons):
                found.fault(_LOST)
    except ServingError as error:
        late = time.monotonic() - start >= limit_s
        found.fault(f"not finished within the time limit of {limit_s:g} s" if late else str(error))
    result = {"ok": not found.reasons, **asdict(found), "ready_s": ready_s}
    _write(report, result | {"total_s": round(time.monotonic() - start, 3)})
    return not found.reasons


@contextmanager
def _served(model_dir: Path, deadline: float) -> Iterator[str]:
    """Run the embedded server on a view of the folder; yield its address; end it for certain."""
    if not (model_dir / "saved_model.pb").is_file():
        raise ServingError(f"no saved_model.pb in {model_dir}")
    with tempfile.TemporaryDirectory(prefix="serving-check-") as base:
        Path(base, "1").symlink_to(model_dir, target_is_directory=True)
        errors = Path(base, "stderr")
        with errors.open("wb") as log:
            child = subprocess.Popen(
                [*_SERVER, "--model-base-path", base],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=_environment(),
            )
        # Killing the child ends whatever waits for it here: a read of its output, or a request.
        guard = threading.Timer(deadline - time.monotonic(), child.kill)
        guard.start()
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            if not line:
                raise ServingError(_last_words(child.wait(), errors))
            yield line.split()[-1]
        finally:
            guard.cancel()
            child.terminate()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            child.stdout and child.stdout.close()


def _environment() -> dict[str, str]:
    """Let the child import this very package, wherever the working directory is."""
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _last_words(code: int, errors: Path) -> str:
    lines = errors.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        if line.startswith("error: "):
            return line.removeprefix("error: ")
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"the server ended before it answered ({how}): {lines[-1] if lines else 'no message'}"


def _write(report: Path, result: dict) -> None:
    part = report.with_name(f".{report.name}.{os.getpid()}")
    try:
        part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        part.replace(report)
    except OSError as error:
        raise ServingError(f"cannot write {report}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


@click.command()
@click.option("--model-dir", type=click.Path(path_type=Path), required=True)
@click.option("--report", type=click.Path(path_type=Path), required=True)
@click.option("--requests", default=REQUESTS, show_default=True)
@click.option("--time-limit-s", default=TIME_LIMIT_S, show_default=True)
def main(model_dir: Path, report: Path, requests: int, time_limit_s: float) -> None:
    """Check a SavedModel by serving it: exit code 0 if it may be served, 1 if not."""
    try:
        ok = check(model_dir, report, requests, time_limit_s)
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
