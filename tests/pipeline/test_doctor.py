"""The doctor's findings: what is well, what is bad, and what to do about it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import cli, doctor


def findings(*arguments: str) -> dict[str, dict[str, str]]:
    told = CliRunner().invoke(cli.cli, ["doctor", "--json", *arguments])
    return {finding["topic"]: finding for finding in json.loads(told.stdout)}


def test_this_environment_is_well() -> None:
    found = findings()
    assert {found[topic]["state"] for topic in ("Python", "libc", "packages")} == {"ok"}
    assert {"disk", "memory", "port", "data", "GPU", "Docker", "cluster"} <= set(found)


def test_a_package_that_is_not_as_locked_is_bad(tmp_path: Path, monkeypatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==0.0.1 \\\n    --hash=sha256:00\nnever-heard-of==1\n")
    monkeypatch.setattr(doctor, "LOCK", lock)
    result = CliRunner().invoke(cli.cli, ["doctor"])
    assert result.exit_code == 2
    assert "never-heard-of missing" in result.output and "-> rm -f .venv/.ready" in result.output


def test_a_taken_port_is_a_note(monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(doctor, "PORTS", {port: "gRPC"})
        found = findings()["port"]
    assert (found["state"], found["text"]) == ("note", f"{port} (gRPC) is taken")


def test_prepared_data_are_named(tmp_path: Path) -> None:
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    assert findings("--data-dir", str(tmp_path))["data"]["remedy"]
    (tmp_path / "mnist" / "3.0.1" / "dataset_info.json").write_text("{}")
    assert findings("--data-dir", str(tmp_path))["data"]["text"].endswith(": mnist")


@pytest.mark.parametrize("words", [("false",), ("sleep", "9"), ("no-such-program",)])
def test_a_helper_that_fails_hangs_or_is_not_there_is_none(words, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "TIMEOUT_S", 0.2)
    assert doctor._output(*words) is None
