"""Follow a model config file: a change is a reload, an error leaves the old config in force."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from serving import config
from serving.core import ServerCore
from serving.errors import ServingError
from serving.status import StatusError

log = logging.getLogger("serving")


class ConfigWatch:
    """Reads the file again every `interval_s` seconds in a thread of its own.

    Contents are compared, not times: a mounted ConfigMap changes by swapping a symbolic link. What
    was refused is tried again each time: the version that a label names may have come since.

    Args:
      core: What to reload.
      path: The file.
      interval_s: Seconds between two looks.
      seen: The file's contents that are in force; None: its present ones.
    """

    def __init__(
        self, core: ServerCore, path: Path, interval_s: float, seen: bytes | None = None
    ) -> None:
        self._core, self._path, self._interval_s = core, path, interval_s
        self._seen, self._told = self._text() if seen is None else seen, ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="config", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(self._interval_s):
            text = self._text()
            if text is None or text == self._seen:
                continue
            try:
                self._core.reload(config.read(self._path, text))
            except (ServingError, StatusError) as error:
                self._tell(str(error))
            except Exception as error:
                self._tell(f"reload failed: {type(error).__name__}: {error}")
            else:
                self._seen, self._told = text, ""
                log.info("model config %s: reloaded", self._path)

    def _tell(self, fault: str) -> None:
        if fault != self._told:
            log.error("model config %s: %s", self._path, fault)
        self._told = fault

    def _text(self) -> bytes | None:
        try:
            return self._path.read_bytes()
        except OSError:
            return None  # between two writes; what is served stays
