"""One run per output folder, across real processes, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import lock
from pipeline.paths import Paths
from trainer.errors import UserError

HOLD = """
import sys, time
from pipeline import lock
from pipeline.paths import Paths
with lock.held(Paths.of("x", sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    paths = Paths.of("x", str(tmp_path / "out"))
    command = [sys.executable, "-c", HOLD, str(paths.output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"in use by another run \\(process {holder.pid}\\)"):
            lock.held(paths).__enter__()
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with lock.held(paths):
            assert (paths.output / ".lock").read_text() == str(os.getpid())
