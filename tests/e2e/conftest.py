"""Running the real command in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).parent / "genvision")]
LOOSE = "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 1000}]"
# Models that learned nothing differ by much: they are held against bounds, not each other.
ALONE = "evaluate.margins={}"
SMALL = ["--set", "train.steps=60", "--set", "evaluate.samples=500", "--set", LOOSE, "--set", ALONE]


class Genvision:
    """The command, run in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "runs" / "digits_cgan"

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [*COMMAND, *args], cwd=self.folder, capture_output=True, text=True, check=False
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start and return at once."""
        return subprocess.Popen(
            [*COMMAND, *args],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def versions(self) -> list[str]:
        """Names of the pushed versions, oldest first."""
        folder = self.output / "serving" / "digits"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture(scope="module")
def genvision(tmp_path_factory: pytest.TempPathFactory) -> Genvision:
    return Genvision(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def small() -> list[str]:
    """Arguments that make the default recipe a matter of seconds, with a gate to match."""
    return ["run", "digits_cgan", *SMALL]
