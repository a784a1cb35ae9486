"""The embedded model server as a child process: started, awaited, asked, stopped."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.paths import shown
from trainer.errors import UserError

READY = re.compile(r"serving .* on (\S+:\d+)")

START_S = 300.0
"""What a server may take until a version is loaded and warm; large ones take a minute."""

GRACE_S = 20.0
"""What a server may take to finish requests and go; its own patience is ten seconds."""


@contextlib.contextmanager
def server(
    model_name: str, base_path: Path, log: Path | None = None, config_file: Path | None = None
) -> Iterator[str]:
    """Serve the newest version below `base_path` on a free loopback port.

    Args:
      model_name: Name clients ask for.
      base_path: Folder of version folders.
      log: Where the server's messages go; None keeps them for its last words only.
      config_file: Model config with versions and labels to serve instead of the newest version.

    Yields:
      The gRPC target, host:port; the version is loaded and warm.

    Raises:
      UserError: Nothing was pushed there yet, or the server could not start, or took too long.
    """
    check_pushed(model_name, base_path)
    command = [sys.executable, "-m", "serving.server", "--port", "0"]
    if config_file:
        command += ["--model-config-file", str(config_file)]
    else:
        command += ["--model-name", model_name, "--model-base-path", str(base_path)]
    with contextlib.ExitStack() as stack:
        sink = (
            stack.enter_context(log.open("a+"))
            if log
            else stack.enter_context(tempfile.TemporaryFile("w+"))
        )
        process = stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=sink, text=True)
        )
        stack.callback(_stop, process)
        late = threading.Timer(START_S, process.kill)
        late.start()
        assert process.stdout is not None
        ready = next(filter(None, map(READY.search, process.stdout)), None)
        late.cancel()
        if ready is None:
            # A timer that came to its end has taken the server along.
            early = process.wait() != -signal.SIGKILL
            how = "stopped at once" if early else f"had no version ready within {START_S:g} s"
            sink.seek(0)
            last = sink.read().strip().rpartition("\n")[2].removeprefix("error: ")
            where = f"; its messages are in {log}" if log else ""
            raise UserError(f"the model server {how}: {last or 'it said nothing'}{where}")
        yield ready[1]


def _stop(process: subprocess.Popen[str]) -> None:
    """End the server; one that does not heed is ended anyway: its work is done."""
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()


def newest(base_path: Path) -> int | None:
    """Return the highest version below `base_path`; None when there is none."""
    children = base_path.iterdir() if base_path.is_dir() else ()
    return max((int(c.name) for c in children if c.name.isdecimal()), default=None)


def check_pushed(model_name: str, base_path: Path) -> None:
    """Raise UserError when `base_path` holds no version folder yet."""
    if newest(base_path) is None:
        raise UserError(
            f"no version of '{model_name}' in '{shown(base_path)}': run its recipe first"
        )
