"""Promote, roll back, pin and prune: a label moves only to a version that answers."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.admin import Admin
from serving.deployment import CANARY, PINNED, PREVIOUS, STABLE, Destination
from serving.errors import ServingError

Scores = Callable[[int], Mapping[str, float]]
"""Scores of a version, for the history."""


@dataclass(frozen=True)
class Release:
    """Changes to one destination; `server` is asked before a label moves, None trusts blindly.

    Every change is written twice: first the version joins those to load, then, once it is
    AVAILABLE, the label moves to it. If either step fails the config file is as it was before.

    Attributes:
      to: What is changed.
      server: A server that follows the destination's config file.
      apply: Called after each write, for servers that are handed the file (a ConfigMap).
      scores: Where the history's scores come from.
    """

    to: Destination
    server: Admin | None
    apply: Callable[[], None] = lambda: None
    scores: Scores = lambda version: {}

    def promote(self, version: int, why: str, **facts: Any) -> str:
        """Make `version` stable; the one before stays loaded, as `previous`.

        A canary label on it is used up. `facts` go into the history.

        Raises:
          ServingError: No such version, the destination is pinned, or the server disagrees.
        """
        with self._changing() as labels:
            self._refuse_pinned(labels)
            return self._make_stable(labels, version, "promote", why, facts)

    def pin(self, version: int, why: str) -> str:
        """Make `version` stable and refuse promotions and canaries until `unpin`."""
        with self._changing() as labels:
            return self._make_stable(labels | {PINNED: version}, version, "pin", why, {})

    def unpin(self, why: str) -> str:
        """Allow promotions again."""
        with self._changing() as labels:
            if PINNED not in labels:
                raise ServingError(f"'{self.to.model}' is not pinned")
            version = labels.pop(PINNED)
            self._move(labels)
            self._record("unpin", version, why)
        return f"'{self.to.model}' is no longer pinned to version {version}"

    def rollback(self, why: str) -> str:
        """Give `stable` back to the version that had it before; a pin is released.

        Raises:
          ServingError: There is no version to go back to, or the server disagrees.
        """
        with self._changing() as labels:
            now, target = labels.get(STABLE), labels.get(PREVIOUS)
            if target is None:
                raise ServingError(
                    f"'{self.to.model}' has no version to go back to: nothing was promoted "
                    "over another one"
                )
            self.to.check(target)
            labels.pop(PINNED, None)
            labels = self._without_canary(labels, target) | {STABLE: target}
            labels.pop(PREVIOUS)
            known = self.to.versions()
            earlier = [v for v in self._stack(target) if v in known and v != target]
            labels.update({PREVIOUS: earlier[-1]} if earlier else {})
            self._move(labels)
            self._record("rollback", target, why, label=STABLE, previous=now)
        return f"'{self.to.model}': stable is version {target} again (was {now})"

    def set_canary(self, version: int, why: str) -> str:
        """Give `version` the label canary.

        Raises:
          ServingError: It is stable already, nothing is stable, or the destination is pinned.
        """
        with self._changing() as labels:
            self.to.check(version)
            self._refuse_pinned(labels)
            if labels.get(STABLE) in (None, version):
                raise ServingError(
                    f"version {version} cannot be the canary of '{self.to.model}': "
                    + ("it is stable already" if STABLE in labels else "no version is stable yet")
                )
            self._move(labels | {CANARY: version})
            self._record("canary", version, why, label=CANARY)
        return f"'{self.to.model}': canary is version {version}"

    def drop_canary(self, why: str, **facts: Any) -> str:
        """Take the label canary away; the version is unloaded unless it has another label."""
        with self._changing() as labels:
            version = labels.pop(CANARY, None)
            if version is None:
                raise ServingError(f"'{self.to.model}' has no canary")
            self._move(labels)
            self._record("drop canary", version, why, label=CANARY, **facts)
        return f"'{self.to.model}': version {version} is no longer the canary"

    def prune(self, keep: int, why: str, dry_run: bool = False) -> list[int]:
        """Delete old versions, all but the `keep` newest and those with a label.

        Incomplete folders are left alone: a push may be under way. Returns the versions deleted,
        or with `dry_run` those that would be.
        """
        with self._changing() as labels:
            known = self.to.versions()
            doomed = [v for v in list(known)[keep:] if v not in labels.values()]
            for version in () if dry_run else doomed:
                _delete(known[version])
                self._record("prune", version, why)
        return doomed

    def _make_stable(
        self, labels: dict[str, int], version: int, action: str, why: str, facts: Mapping[str, Any]
    ) -> str:
        self.to.check(version)
        before = labels.get(STABLE)
        after = self._without_canary(labels, version) | {STABLE: version}
        if before not in (None, version):
            after[PREVIOUS] = before
        elif after.get(PREVIOUS) == version:
            del after[PREVIOUS]
        self._move(after)
        self._record(action, version, why, label=STABLE, previous=before, **facts)
        moved = "was already" if before == version else f"was {before}" if before else "the first"
        return f"'{self.to.model}': stable is version {version} ({moved})"

    def _move(self, labels: Mapping[str, int]) -> None:
        before, text = self.to.labels(), self.to.text()
        try:
            if self.server is not None:
                states = self.server.states()
                ready = [row.version for row in states.values() if row.state == "AVAILABLE"]
                self.to.write(before, {*labels.values(), *ready})
                self.apply()
                failed = {row.version: row.error for row in states.values()}
                self.server.await_available(set(labels.values()), failed)
            # What has no label any more is unloaded: requests without one get the newest loaded.
            self.to.write(labels)
            self.apply()
            if self.server is not None:
                self.server.await_labels({**dict.fromkeys(before), **labels})
        except BaseException as error:
            self.to.restore(text)
            self.apply()
            if isinstance(error, ServingError):
                raise ServingError(
                    f"nothing was changed: {error}. Does the server follow {self.to.file} "
                    "(--model_config_file, with --model_config_file_poll_wait_seconds)?"
                ) from None
            raise

    def _without_canary(self, labels: Mapping[str, int], version: int) -> dict[str, int]:
        return {k: v for k, v in labels.items() if (k, v) != (CANARY, version)}

    def _refuse_pinned(self, labels: Mapping[str, int]) -> None:
        if PINNED in labels:
            pins = [line for line in self.to.history() if line["action"] == "pin"]
            by = f" by {pins[-1]['who']}: {pins[-1]['why']}" if pins else ""
            raise ServingError(
                f"'{self.to.model}' is pinned to version {labels[PINNED]}{by}; release it with "
                "'genvision versions pin --off' first"
            )

    def _stack(self, upto: int) -> list[int]:
        """Replay the history: versions that were stable in turn, ending with `upto`."""
        stack: list[int] = []
        for line in self.to.history():
            if line["action"] in ("promote", "pin") and stack[-1:] != [line["version"]]:
                stack.append(line["version"])
            elif line["action"] == "rollback" and len(stack) > 1:
                stack.pop()
        return stack[: len(stack) - stack[::-1].index(upto)] if upto in stack else []

    def _record(self, action: str, version: int, why: str, **facts: Any) -> None:
        target = self.server.target if self.server is not None else None
        found = dict(self.scores(version))
        self.to.record(action, version=version, why=why, scores=found, server=target, **facts)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, int]]:
        with self.to.locked():
            yield self.to.labels()


def _delete(folder: Path) -> None:
    """Take a version out of sight in one rename, then delete it."""
    doomed = folder.with_name(f".pruned-{folder.name}")
    folder.rename(doomed)
    shutil.rmtree(doomed)
