"""A batch job on disk: what is to be made, which parts are finished, the manifest at the end.

Layout of the output folder: `batch.json` (the job), `parts/NNNNN.jsonl` (one per finished chunk),
`images/` (generators), and when all is done `manifest.jsonl` instead of the parts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving.errors import ServingError
from serving.files import alone, write_whole

JOB, PARTS, MANIFEST = "batch.json", "parts", "manifest.jsonl"
SUFFIXES = (".png", ".jpg", ".jpeg")

MOST_ITEMS = 1_000_000
"""In one job: all of them are listed in memory before the first is made."""

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a batch job makes: the same plan makes the same files.

    Attributes:
      model: Name of the model.
      version: Which version of it.
      task: `generate` (one image per seed and label) or `caption` (one sentence per file).
      seed: First seed.
      count: Seeds per label.
      labels: Classes; empty for a model without.
      images: Folder of images to caption.
      digest: Of the names and sizes of those images, so that a changed folder is noticed.
      chunk: Items per request to the model, and the unit in which the job resumes.
    """

    model: str
    version: int
    task: str
    seed: int = 0
    count: int = 0
    labels: tuple[int, ...] = ()
    images: str = ""
    digest: str = ""
    chunk: int = 64

    def check(self) -> None:
        """Raise ServingError for more items than one job takes, or seeds that are no 64 bits."""
        items = self.count * max(1, len(self.labels))
        if items > MOST_ITEMS:
            raise ServingError(
                f"{items} images: one job makes at most {MOST_ITEMS}; split it by --label, or by "
                "--seed and --count"
            )
        if self.seed + self.count > 2**63:
            raise ServingError(
                f"--seed {self.seed} with --count {self.count}: seeds are integers of 64 bits, so "
                f"the first is at most {2**63 - self.count}"
            )

    def items(self) -> list[Item]:
        """Return everything to make, in the order of the manifest."""
        if self.task == "caption":
            return [{"file": str(path)} for path in image_files(Path(self.images))]
        seeds = range(self.seed, self.seed + self.count)
        if not self.labels:
            return [{"seed": seed} for seed in seeds]
        return [{"seed": seed, "label": label} for label in self.labels for seed in seeds]

    def chunks(self) -> list[list[Item]]:
        """Return the items in pieces of `chunk`."""
        items = self.items()
        return [items[i : i + self.chunk] for i in range(0, len(items), self.chunk)]


def image_files(folder: Path) -> list[Path]:
    """Return the PNG and JPEG files of a folder and those below it, sorted.

    Raises:
      ServingError: There are none, or no such folder.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "not there"
        raise ServingError(f"'{folder}' is {what}: name a folder of images")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise ServingError(f"no image ({', '.join(SUFFIXES)}) in '{folder}'")
    return found


def digest(files: Iterable[Path]) -> str:
    """Return a short fingerprint of names and sizes."""
    listing = "\n".join(f"{path} {path.stat().st_size}" for path in files)
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep other processes from working on the same job.

    Raises:
      ServingError: One does already, or the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServingError(f"cannot write in '{out}': {error.strerror or error}") from None
    busy = f"another batch is at work in '{out}': wait for it, or name a new folder with --out"
    try:
        with alone(out, busy):
            yield
    finally:
        with contextlib.suppress(OSError):
            out.rmdir()  # only if nothing came of it


def begun(out: Path) -> dict[str, Any]:
    """Return the job that a folder holds; nothing if there is none that can be read."""
    try:
        found = json.loads((out / JOB).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def begin(plan: Plan, out: Path) -> list[int]:
    """Open a new or an interrupted job.

    Returns:
      Numbers of the chunks still to make; empty when the manifest is there already.

    Raises:
      ServingError: The folder holds another job or other files, or cannot be written to; or the
        job is too large.
    """
    plan.check()
    wanted = json.loads(json.dumps(asdict(plan)))
    job = out / JOB
    try:
        if job.is_file():
            _check_same(json.loads(job.read_text(encoding="utf-8")), wanted, out)
        elif out.is_dir() and any(out.iterdir()):
            raise ServingError(f"'{out}' holds other files: name a new folder with --out")
        else:
            (out / PARTS).mkdir(parents=True)
            write_whole(job, json.dumps(wanted, indent=2) + "\n")
    except ValueError as error:
        raise ServingError(f"{job} is damaged ({error}): name a new folder with --out") from None
    except OSError as error:
        raise ServingError(f"cannot write in '{out}': {error.strerror or error}") from None
    if (out / MANIFEST).is_file():
        return []
    made = finished(out)
    return [number for number in range(len(plan.chunks())) if number not in made]


def finished(out: Path) -> set[int]:
    """Return the numbers of the chunks that are complete."""
    return {int(path.stem) for path in (out / PARTS).glob("*.jsonl")}


def write_part(out: Path, number: int, rows: Iterable[Item]) -> None:
    """Mark a chunk as complete: its rows of the manifest, in one rename."""
    write_whole(out / PARTS / f"{number:05}.jsonl", "".join(f"{json.dumps(r)}\n" for r in rows))


def end(out: Path) -> list[dict[str, Any]]:
    """Join the parts to the manifest (if that is still to do) and return its rows."""
    manifest = out / MANIFEST
    if not manifest.is_file():
        parts = sorted((out / PARTS).glob("*.jsonl"))
        write_whole(manifest, "".join(path.read_text(encoding="utf-8") for path in parts))
        shutil.rmtree(out / PARTS)
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def _check_same(found: Any, wanted: Mapping[str, Any], out: Path) -> None:
    if not isinstance(found, dict):
        raise ValueError("it describes no job")
    differ = [key for key in wanted if found.get(key) != wanted[key]]
    if differ:
        changes = ", ".join(f"{key} {found.get(key)} -> {wanted[key]}" for key in differ)
        raise ServingError(
            f"'{out}' holds another job ({changes}): give the same arguments to go on with it, or "
            "name a new folder with --out"
        )
