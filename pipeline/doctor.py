"""`genvision doctor`: is this machine fit for the job, and what to do about what is not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import psutil

from pipeline.answers import json_option, tell
from pipeline.paths import RUNS, shown

LOCK = Path(__file__).parents[1] / "requirements.lock"
GLIBC = (2, 31)
"""What the wheels in the lock need; TFX's own pins would need 2.39."""

DISK_GB, MEMORY_GB = 10, 6
"""The environment takes some 5 GB, the default run below 2 GB of memory; both with room."""

PORTS = {8500: "gRPC", 8501: "REST", 6006: "TensorBoard"}
TIMEOUT_S = 5.0


class Finding(NamedTuple):
    """One answer: what was looked at, how it is, and what to do if it is not well."""

    topic: str
    state: str
    """`ok`, `note` (optional and not there) or `bad` (will not work)"""
    text: str
    remedy: str = ""


@click.command()
@click.option("--data-dir", metavar="DIR", help="Prepared TFDS data. Default: runs/data.")
@json_option
def doctor(data_dir: str | None, as_json: bool) -> None:
    """Check this machine: environment, disk, memory, ports, data, GPU, Docker, cluster.

    Exits with 2 when something is bad; what is only missing for optional parts is a note.
    """
    found = [finding for check in CHECKS for finding in check(data_dir)]
    lines = []
    for finding in found:
        lines.append(f"{finding.state:5}{finding.topic:12}{finding.text}")
        lines += [f"{'':17}-> {finding.remedy}"] if finding.remedy else []
    tell([finding._asdict() for finding in found], lines, as_json)
    if any(finding.state == "bad" for finding in found):
        raise SystemExit(2)


def _python(_: str | None) -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info[:2] != (3, 11):
        yield Finding(
            "Python", "bad", f"{version}; 3.11 is needed", "make clean run PYTHON=python3.11"
        )
    else:
        yield Finding("Python", "ok", f"{version} in {sys.prefix}")
    name, text = platform.libc_ver()
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if name != "glibc" or numbers < GLIBC:
        yield Finding(
            "libc", "bad", f"{name or 'unknown'} {text}", "use a glibc Linux, e.g. Debian"
        )
    else:
        yield Finding("libc", "ok", f"{name} {text}")


def _lock(_: str | None) -> Iterator[Finding]:
    """Compare what is installed with the lock, where the lock is at hand."""
    if not LOCK.exists():
        yield Finding("packages", "note", "no requirements.lock here to compare with")
        return
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    there: dict[str, str] = {}
    for dist in importlib.metadata.distributions():
        # The first on the path counts, as it does for an import.
        there.setdefault(re.sub(r"[-_.]+", "-", dist.name).lower(), dist.version)
    wrong = [
        f"{name} {there.get(name, 'missing')}" for name in pins if there.get(name) != pins[name]
    ]
    if wrong:
        told = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        yield Finding(
            "packages", "bad", f"not as locked: {told}", "rm -f .venv/.ready; make .venv/.ready"
        )
    else:
        yield Finding("packages", "ok", f"{len(pins)} as in requirements.lock")


def _room(_: str | None) -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    state, remedy = ("ok", "") if free >= DISK_GB else ("bad", f"free {DISK_GB} GB or go elsewhere")
    yield Finding("disk", state, f"{free:.0f} GB free here", remedy)
    memory = psutil.virtual_memory().available / 1e9
    enough = memory >= MEMORY_GB
    state, remedy = ("ok", "") if enough else ("note", "close programs, or expect swapping")
    yield Finding("memory", state, f"{memory:.0f} GB available, {os.cpu_count()} cores", remedy)


def _ports(_: str | None) -> Iterator[Finding]:
    for port, use in PORTS.items():
        with socket.socket() as probe:
            busy = probe.connect_ex(("127.0.0.1", port)) == 0
        text = f"{port} ({use}) is {'taken' if busy else 'free'}"
        yield Finding("port", "note" if busy else "ok", text, "choose another one" if busy else "")


def _data(data_dir: str | None) -> Iterator[Finding]:
    from components import datasets

    where = Path(data_dir or RUNS / "data")
    ready = [name for name in datasets.DATASETS if any(where.glob(f"{name}/**/dataset_info.json"))]
    text = f"prepared in {shown(where)}: {', '.join(ready) or 'none'}"
    remedy = "" if ready else "digits and scenes need none; others: genvision data prepare NAME"
    yield Finding("data", "ok" if ready else "note", text, remedy)


def _gpu(_: str | None) -> Iterator[Finding]:
    names = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if names is None:
        yield Finding("GPU", "note", "none: recipes have CPU budgets")
    else:
        yield Finding("GPU", "ok", ", ".join(names.splitlines()))


def _docker(_: str | None) -> Iterator[Finding]:
    version = _output("docker", "version", "--format", "{{.Server.Version}}")
    if version is None:
        text = "no engine answers: needed only to build the image for Kubeflow"
        yield Finding("Docker", "note", text, "build where there is one; see kubeflow/README.md")
    else:
        yield Finding("Docker", "ok", f"engine {version.strip()}")


def _cluster(_: str | None) -> Iterator[Finding]:
    endpoint = os.environ.get("KF_PIPELINES_ENDPOINT")
    context = _output("kubectl", "config", "current-context")
    if not endpoint and context is None:
        text = "none configured: needed only for Kubeflow"
        yield Finding("cluster", "note", text, "set KF_PIPELINES_ENDPOINT or give --endpoint")
        return
    named = f"KFP at {endpoint}" if endpoint else f"kubectl context {(context or '').strip()}"
    yield Finding("cluster", "ok", named)


CHECKS: tuple[Callable[[str | None], Iterator[Finding]], ...] = (
    _python,
    _lock,
    _room,
    _ports,
    _data,
    _gpu,
    _docker,
    _cluster,
)


def _output(*command: str) -> str | None:
    """Run a short command; None when it is not there, fails or hangs."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
