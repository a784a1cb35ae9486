"""Version folders on disk: which there are, which are whole, which a policy wants."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from tensorflow_serving.config import file_system_storage_path_source_pb2 as source_pb2

Policy: TypeAlias = source_pb2.FileSystemStoragePathSourceConfig.ServableVersionPolicy
Fingerprint = tuple[tuple[str, int, int], ...]

# `absl::SimpleAtoi` on ASCII; Python's int() would also take "1_0" and full-width digits.
_VERSION = re.compile(r"[ \t]*-?[0-9]+[ \t]*", re.ASCII)
_INT64_MAX = 2**63 - 1


def parse_version(name: str) -> int | None:
    """Return the version a folder name stands for, or None (`tmp`, `1.bak`, `1_0`)."""
    if not _VERSION.fullmatch(name):
        return None
    number = int(name)
    return number if -_INT64_MAX - 1 <= number <= _INT64_MAX else None


def scan(base: Path) -> dict[int, Path]:
    """Return the version folders (or files) under a base path.

    Raises:
      OSError: If the base path cannot be listed; whoever polls keeps what is loaded.
    """
    found: dict[int, Path] = {}
    with os.scandir(base) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            version = parse_version(entry.name)
            if version is not None:
                found[version] = Path(entry.path)
    return found


def has_graph(path: Path) -> bool:
    """Return whether the file that is copied last, saved_model.pb, has arrived."""
    return (path / "saved_model.pb").is_file()


def fingerprint(path: Path) -> Fingerprint:
    """Return names, sizes and times (ns) of all files below: equal while nothing is written."""
    seen = []
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            try:
                info = file.stat()
            except OSError:
                continue  # moved away between the listing and the look
            seen.append((str(file), info.st_size, info.st_mtime_ns))
    return tuple(sorted(seen))


def choose(policy: Policy, versions: Iterable[int]) -> list[int]:
    """Return the versions a policy wants out of those there are, highest first.

    The default is the latest one; `latest {num_versions: 0}` counts as 1.
    """
    ordered = sorted(versions, reverse=True)
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return ordered
    if kind == "specific":
        return [version for version in ordered if version in set(policy.specific.versions)]
    return ordered[: max(1, policy.latest.num_versions)]
