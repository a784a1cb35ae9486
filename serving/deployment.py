"""A push destination: version folders, the model config beside them, labels and history."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving import versions, wire
from serving.errors import ServingError
from serving.files import alone, write_whole

STABLE, CANARY, PREVIOUS, PINNED = LABELS = ("stable", "canary", "previous", "pinned")
"""Labels kept in the config: what serves, what is tried, where a rollback goes, what is held."""

CONFIG, HISTORY = "models.config", "history.jsonl"
"""Files beside the version folders; servers look at numeric names only."""

PLATFORM = "tensorflow"

_LINE = {"time": str, "who": str, "action": str, "version": int, "why": str}
"""What every line of a history has, and what its readers rely on."""


@dataclass(frozen=True)
class Destination:
    """Where versions of one model are pushed to.

    Attributes:
      model: Name clients ask for.
      base: Folder of version folders, as this process sees it.
      file: Model config that the server follows; it may list other models, which are left alone.
      seen_as: `base` as the server sees it (in a container); empty keeps what the file says, or
        means `base` itself.
    """

    model: str
    base: Path
    file: Path
    seen_as: str = ""

    @classmethod
    def of(cls, model: str, base: Path, file: Path | None = None, seen_as: str = "") -> Destination:
        """Describe a destination; the config file is by default `models.config` in `base`."""
        return cls(model, base, file or base / CONFIG, seen_as)

    def versions(self) -> dict[int, Path]:
        """Return the folders of complete versions by number, newest first.

        Raises:
          ServingError: Nothing was pushed there yet.
        """
        found = versions.scan(self.base) if self.base.is_dir() else {}
        whole = {v: path for v, path in sorted(found.items(), reverse=True) if _complete(path)}
        if not whole:
            raise ServingError(f"no version of '{self.model}' in {self.base}: push one first")
        return whole

    def check(self, version: int) -> None:
        """Raise ServingError unless `version` is there and complete."""
        known = self.versions()
        if version not in known:
            shown = ", ".join(map(str, known))
            raise ServingError(f"no version {version} of '{self.model}' in {self.base}: {shown}")

    def text(self) -> str | None:
        """Return the config file's text, None when there is no file yet."""
        try:
            return self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ServingError(f"cannot read the model config {self.file}: {error}") from None

    def labels(self) -> dict[str, int]:
        """Return versions by label, as the config file has them.

        Raises:
          ServingError: The file does not parse.
        """
        return dict(self._entry(self._parsed()).version_labels)

    def write(self, labels: Mapping[str, int], loaded: Iterable[int] = ()) -> None:
        """Write labels and the versions to load (those labelled, and `loaded`) in one rename.

        Without any, the server follows the newest version. Other models in the file stay, and so
        do the comments before its first entry.

        Raises:
          ServingError: The file does not parse or cannot be written.
        """
        config = self._parsed()
        entry = self._entry(config)
        if self.seen_as or not entry.base_path:
            entry.base_path = self.seen_as or str(self.base.absolute())
        entry.model_platform = PLATFORM
        entry.ClearField("version_labels")
        entry.version_labels.update(labels)
        entry.ClearField("model_version_policy")
        wanted = sorted({*labels.values(), *loaded})
        if wanted:
            entry.model_version_policy.specific.versions.extend(wanted)
        self.restore(_head(self.text() or "") + text_format.MessageToString(config))

    def elsewhere(self) -> bool:
        """Whether the server sees other folders than those here: a container's, a volume's."""
        named = self.seen_as or self._entry(self._parsed()).base_path
        return bool(named) and Path(named) != self.base.absolute()

    def followed(self) -> Path | None:
        """Return the config file for a server here to follow; made, without labels, if missing.

        None if there is none and this folder cannot be written to.

        Raises:
          ServingError: The file does not parse, or its base path is another folder.
        """
        if self.text() is None:
            if not os.access(self.file.parent, os.W_OK):
                return None
            self.write({})
        named = self._entry(self._parsed()).base_path
        if Path(named) != self.base.absolute():
            raise ServingError(
                f"{self.file} says base_path '{named}' and the versions are in "
                f"'{self.base.absolute()}': correct it there, or serve with --model-config-file "
                "where that path exists"
            )
        return self.file

    def restore(self, text: str | None) -> None:
        """Make `text` the config file's content (None: no file); readers see the old or the new.

        Raises:
          ServingError: It cannot be written.
        """
        if text is not None:
            write_whole(self.file, text, durable=True)
            return
        try:
            self.file.unlink(missing_ok=True)
        except OSError as error:
            raise ServingError(f"cannot remove {self.file}: {error.strerror or error}") from None

    def history(self) -> list[dict[str, Any]]:
        """Return what was done to this destination, oldest first.

        Raises:
          ServingError: The file cannot be read, or a line is none of a history.
        """
        file = self.base / HISTORY
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise ServingError(f"cannot read the history {file}: {error}") from None
        return [_event(file, n, line) for n, line in enumerate(lines, 1) if line.strip()]

    def record(self, action: str, **facts: Any) -> None:
        """Append a line to the history: time (UTC), who, action and the facts."""
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "who": who, "action": action, "model": self.model} | facts)
        file = self.base / HISTORY
        try:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as error:
            raise ServingError(
                f"'{action}' of version {facts.get('version')} is done, but cannot be written to "
                f"{file}: {error.strerror or error}"
            ) from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other command off the config file, whichever model it is about.

        Raises:
          ServingError: One is at work, or config or history cannot be written to.
        """
        self.versions()
        folder, history = self.file.absolute().parent, self.base / HISTORY
        for place in (folder, history if history.exists() else self.base):
            if not os.access(place, os.W_OK):
                raise ServingError(f"cannot write in '{place}': changes are made by who owns it")
        if history.exists() and not history.is_file():
            raise ServingError(f"the history {history} is no file: move it away")
        busy = f"another command is changing {self.file}: wait for its end"
        with alone(folder, busy):
            yield

    def _parsed(self) -> Any:
        config = wire.message("ModelServerConfig")()
        try:
            text_format.Parse(self.text() or "", config)
        except text_format.ParseError as error:
            words = " ".join(str(error).split())
            raise ServingError(f"the model config {self.file} does not parse: {words}") from None
        return config

    def _entry(self, config: Any) -> Any:
        for entry in config.model_config_list.config:
            if entry.name == self.model:
                return entry
        return config.model_config_list.config.add(name=self.model)


def scores(version: Path) -> dict[str, float]:
    """Return the scores that travel with a version: `assets.extra/evaluation.json`, if any.

    The file is what an evaluation writes: `{"scores": {NAME: {"value": X, ...}}}`.
    """
    try:
        found = json.loads((version / "assets.extra/evaluation.json").read_text(encoding="utf-8"))
        return {name: float(score["value"]) for name, score in found["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _head(text: str) -> str:
    """Return the comment lines a text begins with: what a person wrote about the file."""
    lines = text.splitlines(keepends=True)
    return "".join(itertools.takewhile(lambda line: line.lstrip().startswith("#"), lines))


def _event(file: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ServingError(
            f"{file} is not one JSON object per line: line {number}: {error}"
        ) from None
    if not isinstance(found, dict) or any(
        not isinstance(found.get(key), kind) for key, kind in _LINE.items()
    ):
        raise ServingError(
            f"{file} line {number} is no line of a history ({', '.join(_LINE)}): correct or "
            "remove it"
        )
    return found


def _complete(path: Path) -> bool:
    """Whether a push has come to its end: Pusher copies saved_model.pb last."""
    return versions.has_graph(path)
