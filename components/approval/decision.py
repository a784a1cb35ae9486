"""A person's decision about one model: a small JSON file, signed when a key is given."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
from pathlib import Path

from trainer.errors import UserError


@dataclasses.dataclass(frozen=True)
class Decision:
    """What was decided about a model.

    Attributes:
      model: Fingerprint of the model's folder: the decision holds for these bytes alone.
      approved: Yes or no.
      by: Who decided.
      note: Why.
      time: When, ISO 8601 with zone.
      signature: HMAC-SHA256 of all of the above; empty when it was made without a key.
    """

    model: str
    approved: bool
    by: str
    note: str
    time: str
    signature: str = ""

    def __str__(self) -> str:
        why = f": {self.note}" if self.note else ""
        return f"{'approved' if self.approved else 'rejected'} by {self.by} at {self.time}{why}"

    def signed(self, key: bytes) -> Decision:
        """Return the same decision with its signature."""
        return dataclasses.replace(self, signature=self._mac(key))

    def check(self, key: bytes | None) -> None:
        """Raise UserError unless the signature fits; without a key any decision is taken."""
        if key is not None and not hmac.compare_digest(self.signature, self._mac(key)):
            raise UserError(
                f"the approval by '{self.by}' is {'wrongly ' if self.signature else 'not '}signed: "
                "approve with the key that approve.key_file names"
            )

    def _mac(self, key: bytes) -> str:
        told = dataclasses.asdict(dataclasses.replace(self, signature=""))
        return hmac.new(key, json.dumps(told, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def read_key(path: str | None) -> bytes | None:
    """Read the secret; None without a path.

    Raises:
      UserError: The file cannot be read or is empty.
    """
    if path is None:
        return None
    try:
        key = Path(path).expanduser().read_bytes().strip()
    except OSError as error:
        raise UserError(f"the approval key '{path}' cannot be read: {error.strerror}") from None
    if not key:
        raise UserError(f"the approval key '{path}' is empty: put a secret into it")
    return key


def write(folder: Path, decision: Decision) -> Path:
    """Write a decision in one rename; a later one about the same model replaces it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{decision.model}.json"
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps(dataclasses.asdict(decision), indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
    return path


def read(folder: Path, model: str) -> Decision | None:
    """Return the decision about a model; None when there is none yet.

    Raises:
      UserError: The file is there and is no decision about this model.
    """
    path = folder / f"{model}.json"
    try:
        decision = Decision(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"'{path}' is no approval ({error}): make it with genvision approve"
        ) from None
    if decision.model != model:
        raise UserError(f"'{path}' approves another model: make it with genvision approve")
    return decision
