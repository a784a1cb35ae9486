"""A fingerprint of our own code: part of every cache key, so that an edit is never ignored."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fingerprint(*folders: str) -> str:
    """Hash the Python sources below some folders.

    Args:
      folders: Such as "trainer" or "components/metrics".

    Returns:
      12 hex digits; equal for equal file names and contents, wherever they are installed.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
