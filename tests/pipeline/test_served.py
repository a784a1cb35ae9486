"""The server that commands start for a moment: it is gone afterwards, even when it will not go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import served
from trainer.errors import UserError

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("serving m version 1 on 127.0.0.1:1", flush=True)
time.sleep(600)
"""


SILENT = """
import sys, time
print("waiting for a first version", file=sys.stderr, flush=True)
time.sleep(600)
"""
BROKEN = """
import sys
sys.exit("loading\\nerror: version 1 is broken")
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch):
    """Makes a script stand for the server; returns the processes begun."""
    (tmp_path / "1").mkdir()
    real = served.subprocess.Popen

    def use(script: str) -> list:
        began = []

        class Popen(real):
            def __init__(self, command, **rest) -> None:
                began.append(self)
                super().__init__([sys.executable, "-c", script], **rest)

        monkeypatch.setattr(served.subprocess, "Popen", Popen)
        return began

    return use


@pytest.mark.timeout(60)
def test_a_server_that_does_not_heed_is_ended(tmp_path: Path, monkeypatch, started) -> None:
    began = started(STUBBORN)
    monkeypatch.setattr(served, "GRACE_S", 0.2)
    with served.server("m", tmp_path) as target:
        assert target == "127.0.0.1:1"
    assert began[0].returncode == -9


@pytest.mark.timeout(60)
def test_a_server_that_is_never_ready_is_not_awaited_for_ever(
    tmp_path: Path, monkeypatch, started
) -> None:
    began = started(SILENT)
    monkeypatch.setattr(served, "START_S", 0.5)
    with (
        pytest.raises(UserError, match=r"no version ready within 0\.5 s: waiting for a first"),
        served.server("m", tmp_path),
    ):
        pass
    assert began[0].returncode == -9


@pytest.mark.parametrize("logged", [False, True])
def test_a_server_that_cannot_start_says_why(tmp_path: Path, started, logged) -> None:
    started(BROKEN)
    log = tmp_path / "server.log" if logged else None
    with (
        pytest.raises(UserError) as caught,
        served.server("m", tmp_path, log),
    ):
        pass
    where = f"; its messages are in {log}" if logged else ""
    assert str(caught.value) == f"the model server stopped at once: version 1 is broken{where}"
