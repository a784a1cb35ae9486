"""One model's versions: loaded before unloaded, kept while in use, retried when changed."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tensorflow_serving.apis import get_model_status_pb2

from serving import versions
from serving.config import ModelSettings
from serving.servable import Servable, load
from serving.status import Code, StatusError, invalid
from serving.warmup import warm_up

State = get_model_status_pb2.ModelVersionStatus
log = logging.getLogger("serving")


@dataclass
class Entry:
    """A version's state; `seen` is the folder as it was before the last load."""

    state: int = State.LOADING
    error: StatusError | None = None
    servable: Servable | None = None
    users: int = 0
    seen: versions.Fingerprint = ()


class Model:
    """All versions of one model that were ever seen; `poll` moves them, requests `use` them.

    Args:
      settings: What to serve.
      earlier: One on the same base path: what failed there is not tried again before it changes.
    """

    def __init__(self, settings: ModelSettings, earlier: Model | None = None) -> None:
        self.settings = settings
        self.polled = threading.Event()
        self.wake = threading.Event()
        self._retired = threading.Event()
        self._lock = threading.Lock()
        self._entries = earlier.failures() if earlier else {}
        self._missing_reported = False
        self._ended = False
        self._loads: Counter[tuple[str, str]] = Counter()

    def failures(self) -> dict[int, Entry]:
        """Return the versions that could not be loaded, for another model to know."""
        with self._lock:
            return {v: replace(e) for v, e in self._entries.items() if e.error}

    def statuses(self) -> dict[int, tuple[int, StatusError | None]]:
        """Return state and error by version, highest version first."""
        with self._lock:
            return {v: (e.state, e.error) for v, e in sorted(self._entries.items(), reverse=True)}

    def available(self) -> list[int]:
        """Return the versions that answer, highest first."""
        return [v for v, (state, _) in self.statuses().items() if state == State.AVAILABLE]

    def loads(self) -> dict[tuple[str, str], int]:
        """Return how often each (version folder, "success" or "fail") was loaded."""
        with self._lock:
            return dict(self._loads)

    def memory(self) -> dict[int, int]:
        """Return the bytes of every loaded version: its variables and its graph."""
        with self._lock:
            loaded = {v: e.servable for v, e in self._entries.items()}
        return {v: servable.memory for v, servable in sorted(loaded.items()) if servable}

    def pick(self, version: int | None = None, label: str = "") -> int:
        """Return the version a request means.

        Raises:
          StatusError: INVALID_ARGUMENT for an unknown label, NOT_FOUND for a version not available.
        """
        name = self.settings.name
        if label:
            version = self.settings.labels.get(label)
            if version is None:
                raise invalid(f"Unrecognized servable version label: {label}")
        ready = self.available()
        if version is None and ready:
            return ready[0]
        if version not in ready:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return version

    @contextlib.contextmanager
    def use(self, version: int | None = None, label: str = "") -> Iterator[Servable]:
        """Hold a version for the length of a request; it is not unloaded before.

        Raises:
          StatusError: As `pick`.
        """
        entry, servable = self._take(version, label)
        try:
            yield servable
        finally:
            with self._lock:
                entry.users -= 1
                self._end_if_unused(entry)

    def _take(self, version: int | None, label: str) -> tuple[Entry, Servable]:
        while True:
            entry = self._entries[self.pick(version, label)]
            with self._lock:
                # Between the choice and the lock it may have left; then choose again.
                if entry.state == State.AVAILABLE and entry.servable is not None:
                    entry.users += 1
                    return entry, entry.servable

    def poll(self) -> None:
        """Look at the folder once and load and unload what the policy asks for."""
        try:
            self._poll()
        finally:
            self.polled.set()

    def follow(self, poll_s: float, stopping: threading.Event) -> None:
        """Poll every `poll_s` seconds, and at once after `wake`, until stopped or retired."""
        while not stopping.is_set() and not self._retired.is_set():
            try:
                self.poll()
            except Exception:
                # A surprise in one round must not end the watching.
                log.exception("model %s: polling failed", self.settings.name)
            self._collect()
            self.wake.wait(poll_s or None)  # 0: once, and when the config changes
            self.wake.clear()
        if self._retired.is_set():
            # What was being loaded when the model left the config goes the same way.
            self.retire()
            self._collect()

    def _collect(self) -> None:
        """Give back the memory of unloaded versions: their functions refer to each other."""
        with self._lock:
            due, self._ended = self._ended, False
        if due:
            gc.collect()
            _trim()

    def _poll(self) -> None:
        try:
            found = versions.scan(self.settings.base_path)
        except OSError as error:
            if not self._missing_reported:
                log.warning("model %s: keeping what is loaded: %s", self.settings.name, error)
            self._missing_reported = True
            return
        self._missing_reported = False
        self._note(found)
        while True:
            wanted = versions.choose(self.settings.policy, self._loadable(found))
            ready = self.available()
            missing = [version for version in wanted if version not in ready]
            if not missing or self._retired.is_set():
                break
            # The highest first; after a failure the choice is made anew without it.
            self._load(missing[0], found[missing[0]])
        if not found or set(wanted) & set(ready):
            for version in ready:
                if version not in wanted:
                    self._unload(version)

    def retire(self) -> None:
        """Unload everything (the model left the config)."""
        self._retired.set()
        self.wake.set()
        for version in self.available():
            self._unload(version)

    def _note(self, found: dict[int, Path]) -> None:
        """Show half-written versions as LOADING, and forget failures whose folder changed."""
        with self._lock:
            for version, entry in list(self._entries.items()):
                gone = version not in found
                if gone:
                    entry.seen = ()  # back again, it is new
                if (entry.state == State.LOADING and gone) or (
                    entry.error and not gone and entry.seen != versions.fingerprint(found[version])
                ):
                    del self._entries[version]
        for version in versions.choose(self.settings.policy, found):
            if not versions.has_graph(found[version]):
                with self._lock:
                    entry = self._entries.setdefault(version, Entry())
                    if entry.state == State.END and not entry.error:
                        entry.state = State.LOADING

    def _loadable(self, found: dict[int, Path]) -> list[int]:
        with self._lock:
            known = dict(self._entries)
        return [
            version
            for version, path in found.items()
            if (version in known and known[version].state == State.AVAILABLE)
            or (versions.has_graph(path) and not (version in known and known[version].error))
        ]

    def _load(self, version: int, path: Path) -> None:
        name = self.settings.name
        entry = Entry(state=State.LOADING, seen=versions.fingerprint(path))
        with self._lock:
            self._entries[version] = entry
        log.info("model %s: loading version %d", name, version)
        try:
            servable, count = _warm(name, version, path)
        except StatusError as fault:
            log.warning("model %s: version %d not served: %s", name, version, fault.message)
            with self._lock:
                entry.state, entry.error = State.END, fault
                self._loads[str(path), "fail"] += 1
            return
        with self._lock:
            entry.servable, entry.state = servable, State.AVAILABLE
            self._loads[str(path), "success"] += 1
        log.info(
            "model %s: version %d available (%d warm-up requests, %.1f MiB; all versions %.1f MiB)",
            *(name, version, count, servable.memory / 2**20, sum(self.memory().values()) / 2**20),
        )

    def _unload(self, version: int) -> None:
        log.info("model %s: unloading version %d", self.settings.name, version)
        with self._lock:
            entry = self._entries[version]
            entry.state = State.UNLOADING
            self._end_if_unused(entry)

    def _end_if_unused(self, entry: Entry) -> None:
        if entry.state == State.UNLOADING and entry.users == 0:
            entry.state, entry.servable = State.END, None
            self._ended = True


def _warm(name: str, version: int, path: Path) -> tuple[Servable, int]:
    """Load a version and answer its warm-up requests; return it and how many there were.

    Raises:
      StatusError: Whatever went wrong: a version that fails is told so and not tried for ever.
    """
    try:
        servable = load(name, version, path)
        return servable, warm_up(servable, path)
    except StatusError:
        raise
    except Exception as error:
        # Such as a folder that is deleted meanwhile, or a graph that no one has thought of.
        log.exception("model %s: version %d", name, version)
        raise StatusError(Code.INTERNAL, f"{path}: {type(error).__name__}: {error}") from error


def _trim() -> None:
    """Ask the C library to return what it holds free; glibc keeps a version's memory otherwise."""
    with contextlib.suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
