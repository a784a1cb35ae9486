"""What all data sets made of a person's own folder share: listing it, and noticing its changes."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from components.datasets.base import DatasetSpec, Source
from trainer.errors import UserError

FREE_SHAPE = (None, None, 3)


@dataclasses.dataclass(frozen=True)
class FolderSpec(DatasetSpec):
    """A data set that is somebody's folder."""

    def resolve(self, source: Source) -> DatasetSpec:
        """See `DatasetSpec.resolve`; a changed folder is another configuration, made anew."""
        if source.folder is None:
            raise UserError(f"dataset '{self.name}' is your own folder: name it as data.folder")
        root = Path(source.folder).expanduser().resolve()
        resolved = super().resolve(dataclasses.replace(source, folder=str(root)))
        return dataclasses.replace(
            resolved,
            image_shape=source.image_shape or FREE_SHAPE,
            config=fingerprint(list_files(root)),
        )


def list_files(root: Path) -> dict[str, Path]:
    """List every file below a folder that is not hidden.

    Returns:
      Path below `root`, with forward slashes -> file; sorted.

    Raises:
      UserError: No such folder, nothing in it, or something in it may not be read.
    """
    if not root.is_dir():
        raise UserError(f"data.folder: there is no folder '{root}'; name one that exists")
    found = {}
    for folder, inner, files in os.walk(root, onerror=_refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if not name.startswith("."):
                found[path.relative_to(root).as_posix()] = path
    for path in found.values():
        if not os.access(path, os.R_OK):
            raise UserError(f"data.folder: no permission to read '{path}'; change its permissions")
    if not found:
        raise UserError(f"data.folder: '{root}' holds no files; put the images there first")
    return dict(sorted(found.items()))


def fingerprint(files: dict[str, Path]) -> str:
    """Return 12 hex digits that change when a file comes, goes, or is written again."""
    digest = hashlib.sha256()
    for name, path in files.items():
        state = path.stat()
        digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:12]


def _refuse(error: OSError) -> None:
    raise UserError(
        f"data.folder: '{error.filename}' cannot be read ({error.strerror}); change its "
        "permissions, or name another folder"
    )
