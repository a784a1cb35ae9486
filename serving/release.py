"""Promote, roll back, pin and prune: a label moves only to a version that answers."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.admin import AVAILABLE, END, Admin, NotYetError
from serving.deployment import CANARY, PINNED, PREVIOUS, STABLE, Destination
from serving.errors import ServingError

Scores = Callable[[int], Mapping[str, float]]
"""Scores of a version, for the history."""


@dataclass(frozen=True)
class Release:
    """Changes to one destination; `server` is asked before a label moves, None trusts blindly.

    Every change is written twice: first the version joins those to load, then, once it is
    AVAILABLE, the label moves to it. If either step fails the config file is as it was before.
    A label whose version is lost (its folder is gone, or the server failed to load it) would make
    every change fail: it is left out of the next one, which says so.

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
        """Make `version` stable and refuse promotions and canaries until `unpin`.

        What is under trial is so no longer: its check, if one runs, is broken off.
        """
        with self._changing() as labels:
            tried = labels.pop(CANARY, version)
            said = self._make_stable(labels | {PINNED: version}, version, "pin", why, {})
            if tried != version:
                self._record("drop canary", tried, f"version {version} is pinned", label=CANARY)
                said += f"; version {tried} is no longer the canary"
            return said

    def unpin(self, why: str) -> str:
        """Allow promotions again."""
        with self._changing() as labels:
            if PINNED not in labels:
                raise ServingError(f"'{self.to.model}' is not pinned")
            version = labels.pop(PINNED)
            labels, lost = self._without_lost(labels)
            self._move(labels)
            self._record("unpin", version, why)
        return f"'{self.to.model}' is no longer pinned to version {version}{lost}"

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
            usable = self._usable()
            earlier = [v for v in self._stack(target) if v in usable and v != target]
            labels.update({PREVIOUS: earlier[-1]} if earlier else {})
            labels, lost = self._without_lost(labels, target)
            self._move(labels)
            self._record("rollback", target, why, label=STABLE, previous=now)
        return f"'{self.to.model}': stable is version {target} again (was {now}){lost}"

    def set_canary(self, version: int, why: str) -> str:
        """Give `version` the label canary.

        Raises:
          ServingError: It is stable already, nothing is stable, another version is the canary, or
            the destination is pinned.
        """
        with self._changing() as labels:
            self.to.check(version)
            self._refuse_pinned(labels)
            if labels.get(CANARY, version) != version:
                raise ServingError(
                    f"version {labels[CANARY]} is the canary of '{self.to.model}' already: wait "
                    "for the end of its check, or take the label away with 'canary --off'"
                )
            if labels.get(STABLE) in (None, version):
                raise ServingError(
                    f"version {version} cannot be the canary of '{self.to.model}': "
                    + ("it is stable already" if STABLE in labels else "no version is stable yet")
                )
            labels, lost = self._without_lost(labels, version)
            self._move(labels | {CANARY: version})
            self._record("canary", version, why, label=CANARY)
        return f"'{self.to.model}': canary is version {version}{lost}"

    def drop_canary(self, why: str, version: int | None = None, **facts: Any) -> str:
        """Take the label canary away; the version is unloaded unless it has another label.

        Raises:
          ServingError: There is no canary, or it is another than `version` (None: whichever it is).
        """
        with self._changing() as labels:
            found = labels.pop(CANARY, None)
            if found is None:
                raise ServingError(f"'{self.to.model}' has no canary")
            if version not in (None, found):
                raise ServingError(f"the canary of '{self.to.model}' is {found}, not {version}")
            labels, lost = self._without_lost(labels)
            self._move(labels)
            self._record("drop canary", found, why, label=CANARY, **facts)
        return f"'{self.to.model}': version {found} is no longer the canary{lost}"

    def prune(self, keep: int, why: str, dry_run: bool = False) -> list[int]:
        """Delete old versions: all but the `keep` newest, those with a label, those that answer.

        Incomplete folders are left alone: a push may be under way. Returns the versions deleted,
        or with `dry_run` those that would be.

        Raises:
          ServingError: The server has no version of this model that answers.
        """
        if dry_run:
            return self._doomed(keep, self.to.labels())
        with self._changing() as labels:
            doomed = self._doomed(keep, labels)
            known = self.to.versions()
            for version in doomed:
                _delete(known[version])
                self._record("prune", version, why)
        return doomed

    def _doomed(self, keep: int, labels: Mapping[str, int]) -> list[int]:
        spared = set(labels.values())
        if self.server is not None:
            states = self.server.states()
            if not any(row.state == AVAILABLE for row in states.values()):
                raise ServingError(
                    f"{self.server.target} answers with no version of '{self.to.model}', so it "
                    "cannot tell which are in use; --no-server looks at labels and numbers alone"
                )
            spared |= {version for version, row in states.items() if row.state != END}
        return [v for v in list(self.to.versions())[keep:] if v not in spared]

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
        after, lost = self._without_lost(after, version)
        self._move(after)
        self._record(action, version, why, label=STABLE, previous=before, **facts)
        moved = "was already" if before == version else f"was {before}" if before else "the first"
        return f"'{self.to.model}': stable is version {version} ({moved}){lost}"

    def _usable(self) -> set[int]:
        """Versions whose folder is there, without those the server says it failed to load.

        A server may have folders of its own (a volume): then its word counts, or else the labels'.
        """
        found = set(self.to.versions())
        states = self.server.states() if self.server is not None else {}
        if self.to.elsewhere():
            found |= {version for version, row in states.items() if row.state == AVAILABLE}
            found |= set(self.to.labels().values()) if self.server is None else set()
        return found - {
            version for version, row in states.items() if row.state == END and row.error
        }

    def _without_lost(
        self, labels: Mapping[str, int], made: int | None = None
    ) -> tuple[dict[str, int], str]:
        """Leave out the labels of lost versions, all but `made`; the text tells of them.

        Raises:
          ServingError: `stable` is among them: only another stable version mends that.
        """
        usable = self._usable() | {made}
        kept = {label: version for label, version in labels.items() if version in usable}
        lost = {label: version for label, version in labels.items() if label not in kept}
        if STABLE in lost:
            raise ServingError(
                f"stable is version {lost[STABLE]} of '{self.to.model}', whose folder is gone or "
                "which does not load: first make another version stable (versions rollback, "
                "promote or pin)"
            )
        told = (f"; version {v} is gone or does not load: no longer {k}" for k, v in lost.items())
        return kept, "".join(told)

    def _move(self, labels: Mapping[str, int]) -> None:
        before, text = self.to.labels(), self.to.text()
        try:
            if self.server is not None:
                states = self.server.states()
                ready = {row.version for row in states.values() if row.state == AVAILABLE}
                # A label on a version that is not loaded was refused, and would be again: until
                # the move it stays where the server has it.
                means = {k: v if v in ready else self.server.labelled(k) for k, v in before.items()}
                held = {label: v for label, v in means.items() if v is not None and v in ready}
                self.to.write(held, {*labels.values(), *ready})
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
                hint = (
                    f". Does the server follow {self.to.file} (--model_config_file, with "
                    "--model_config_file_poll_wait_seconds)?"
                )
                late = isinstance(error, NotYetError)
                raise ServingError(f"nothing was changed: {error}{hint if late else ''}") from None
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
