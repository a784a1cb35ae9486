"""The server that commands start for a moment: it is gone afterwards, even when it will not go."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import served

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("serving m version 1 on 127.0.0.1:1", flush=True)
time.sleep(600)
"""


@pytest.mark.timeout(60)
def test_a_server_that_does_not_heed_is_ended(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "1").mkdir()
    began = []

    class Popen(served.subprocess.Popen):
        def __init__(self, command, **rest) -> None:
            began.append(self)
            super().__init__([sys.executable, "-c", STUBBORN], **rest)

    monkeypatch.setattr(served.subprocess, "Popen", Popen)
    monkeypatch.setattr(served, "GRACE_S", 0.2)
    with served.server("m", tmp_path) as target:
        assert target == "127.0.0.1:1"
    assert began[0].returncode == -9
