"""Where a run's things lie, in one place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError

RUNS = Path("runs")
"""Default parent of all output folders, below the working directory."""


@dataclass(frozen=True)
class Paths:
    """The folders of one recipe's runs; everything below `output` belongs to them alone."""

    output: Path
    data: str
    """Prepared TFDS data, a folder or gs:// address; shared, not written to when prepared."""

    @classmethod
    def of(cls, recipe: str, output: str | None = None, data: str | None = None) -> Paths:
        """Resolve the folders of `recipe`: defaults are `runs/<recipe>` and `runs/data`."""
        return cls(
            Path(output).resolve() if output else (RUNS / recipe).resolve(),
            data if data and "://" in data else str(Path(data or RUNS / "data").resolve()),
        )

    @property
    def artifacts(self) -> Path:
        """TFX's pipeline root."""
        return self.output / "artifacts"

    @property
    def metadata(self) -> Path:
        """ML Metadata, SQLite."""
        return self.output / "metadata.sqlite"

    @property
    def checkpoints(self) -> Path:
        """Unfinished trainings, one folder each."""
        return self.output / "checkpoints"

    @property
    def data_state(self) -> Path:
        """Statistics of the data last accepted, and data that stopped a run."""
        return self.output / "data"

    @property
    def approvals(self) -> Path:
        """What people decided about models."""
        return self.output / "approvals"

    @property
    def logs(self) -> Path:
        """One log file per run."""
        return self.output / "logs"

    def serving(self, model_name: str) -> Path:
        """Version folders of a pushed model: what TF Serving watches."""
        return self.output / "serving" / model_name

    def check_writable(self) -> None:
        """Raise UserError when the output folder cannot be made or written to; create nothing."""
        folder = self.output
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise UserError(f"--output-dir {self.output}: '{folder}' is a file; name a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(
                f"--output-dir {self.output}: no permission to write in '{folder}'; "
                "choose another folder"
            )


def check_output(file: Path, option: str = "--out") -> None:
    """Raise UserError when a file named with `option` cannot be written; before work is done."""
    folder = file.resolve().parent
    if not folder.is_dir():
        raise UserError(f"{option} {file}: there is no folder '{folder}'; make it or name another")
    if file.is_dir() or not os.access(folder, os.W_OK):
        raise UserError(f"{option} {file}: it cannot be written; name a file in a folder of yours")


def shown(path: str | Path) -> str:
    """Write a path as a person at this working directory would: relative when that is shorter."""
    if "://" in str(path):
        return str(path)
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)
