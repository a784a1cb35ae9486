"""What the `tfx` command remembers of a pipeline on this machine: root and endpoint."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path


class Memory:
    """`HOME/NAME/pipeline_args.json`, the file that TFX's handlers read."""

    def __init__(self, home: str) -> None:
        self._home = Path(home)

    def _file(self, name: str) -> Path:
        return self._home / name / "pipeline_args.json"

    def keep(self, name: str, root: str, endpoint: str) -> None:
        """Remember a pipeline."""
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        known = {"pipeline_name": name, "pipeline_root": root, "endpoint": endpoint}
        file.write_text(json.dumps(known, indent=2), encoding="utf-8")

    def get(self, name: str, key: str) -> str:
        """Return one thing remembered; empty when nothing is."""
        try:
            return str(json.loads(self._file(name).read_text(encoding="utf-8")).get(key) or "")
        except (OSError, ValueError):
            return ""

    def forget(self, name: str) -> None:
        """Remove what is remembered of a pipeline."""
        self._file(name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._file(name).parent.rmdir()
