"""Read-only questions to ML Metadata: what a node did, what it made, why it ran again."""

from __future__ import annotations

import contextlib
import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.paths import shown
from trainer.errors import UserError

CACHED = pb.Execution.CACHED
DONE = (pb.Execution.COMPLETE, pb.Execution.CACHED)
WRAPPERS = ("", "custom_config", "trainer")
"""Levels of a node's settings that mean nothing to a person."""

NAMED = 3
"""Changed settings named in a node's line."""

_OUTPUT = pb.Event.OUTPUT
_INPUT = pb.Event.INPUT
_FOUND = pb.Event.INTERNAL_OUTPUT
"""What a Resolver found: artifacts that others made."""


class Output(NamedTuple):
    """One artifact that a node made."""

    key: str
    uri: str
    properties: dict[str, str | int | float]


class Lineage:
    """Answers about one pipeline's runs from a metadata store; needs no TFX import."""

    def __init__(self, store: MetadataStore, pipeline_name: str) -> None:
        self._store, self._pipeline = store, pipeline_name

    @classmethod
    def of(cls, metadata: Path, pipeline_name: str) -> Lineage:
        """Open the SQLite file of a local pipeline.

        Raises:
          UserError: Nothing ran there yet.
        """
        if not metadata.exists():
            raise UserError(
                f"'{pipeline_name}' has not run in '{shown(metadata.parent)}' yet: run it first, "
                "or name its --output-dir"
            )
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(metadata)
        return cls(MetadataStore(config), pipeline_name)

    @staticmethod
    def name_of(metadata: Path) -> str:
        """Return the name of the pipeline that a metadata file belongs to; each has its own.

        Raises:
          UserError: Nothing ran there yet.
        """
        if not metadata.exists():
            raise UserError(
                f"no run in '{shown(metadata.parent)}' yet: run a recipe, or name its --output-dir"
            )
        lineage = Lineage.of(metadata, "")
        known = lineage._store.get_contexts_by_type("pipeline")
        if not known:
            raise UserError(f"no run has begun in '{shown(metadata.parent)}' yet: run a recipe")
        return str(known[0].name)

    def runs(self) -> Iterator[tuple[datetime.datetime, list[tuple[str, pb.Execution]]]]:
        """Yield every run, oldest first: when it began, its nodes and their executions."""
        prefix = f"{self._pipeline}."
        node_of = {
            execution.id: context.name.removeprefix(prefix)
            for context in self._store.get_contexts_by_type("node")
            for execution in self._store.get_executions_by_context(context.id)
        }
        contexts = self._store.get_contexts_by_type("pipeline_run")
        for context in sorted(contexts, key=lambda context: context.create_time_since_epoch):
            found = self._store.get_executions_by_context(context.id)
            executions = sorted(found, key=lambda execution: execution.id)
            began = datetime.datetime.fromtimestamp(context.create_time_since_epoch / 1000)
            yield began, [(node_of[execution.id], execution) for execution in executions]

    def settings(self, execution: pb.Execution) -> dict[str, object]:
        """Return what a node was given, by the recipe's dotted keys."""
        return _flat("", _settings(execution))

    def latest(self, node: str, key: str) -> Output:
        """Return the newest output `key` of `node`.

        Raises:
          UserError: That node never finished.
        """
        for execution in self.executions(node):
            for output in self.outputs(execution) if execution.last_known_state in DONE else ():
                if output.key == key:
                    return output
        raise UserError(f"{node} of '{self._pipeline}' has not finished yet: run the recipe first")

    def executions(self, node: str) -> list[pb.Execution]:
        """Return all executions of a node, newest first."""
        context = self._store.get_context_by_type_and_name("node", f"{self._pipeline}.{node}")
        if context is None:
            return []
        try:
            found = self._store.get_executions_by_context(context.id)
        except errors.NotFoundError:
            return []
        return sorted(found, key=lambda execution: execution.id, reverse=True)

    def outputs(self, execution: pb.Execution) -> list[Output]:
        """Return what an execution made, or reused when it was cached."""
        found = []
        for key, artifact in self._artifacts(execution, _OUTPUT):
            values = {**artifact.properties, **artifact.custom_properties}
            plain = {name: _plain(value) for name, value in values.items()}
            found.append(Output(key, artifact.uri, plain))
        return found

    def why(self, execution: pb.Execution, node: str, caching: bool) -> str:
        """Say in words why an execution was answered from the cache, or why it was not."""
        others = [e for e in self.executions(node) if e.id < execution.id]
        if execution.last_known_state == CACHED:
            maker = self._maker(execution, others)
            when = f" of {_time(maker)}" if maker else ""
            return f"same inputs and settings as in the run{when}"
        # A partial run copies what it reuses into executions that have no settings of their own.
        finished = (e for e in others if e.last_known_state in DONE and _settings(e))
        before = next(finished, None)
        if before is None:
            return "first run" if not others else "no finished run before"
        changed = _changed_settings(before, execution)
        if changed:
            more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
            return f"changed: {', '.join(changed[:NAMED])}{more}"
        old, new = (dict(self._inputs(e)) for e in (before, execution))
        moved = sorted(key for key in new if new[key] != old.get(key))
        if moved:
            return f"new input: {', '.join(moved)}"
        return "changed: code or Beam options" if caching else "cache off"

    def answer(self, resolver: pb.Execution, node: str) -> tuple[bool, str]:
        """Tell whether a Resolver found what it found in the run before, and say so in words."""
        others = (e for e in self.executions(node) if e.id < resolver.id)
        before = next((e for e in others if e.last_known_state in DONE), None)
        if before is None:
            return False, "first run"
        old, new = ({(k, a.id) for k, a in self._artifacts(e, _FOUND)} for e in (before, resolver))
        if old == new:
            return True, f"same inputs and settings as in the run of {_time(before)}"
        return False, f"new input: {', '.join(sorted({key for key, _ in old ^ new}))}"

    def _inputs(self, execution: pb.Execution) -> list[tuple[str, int]]:
        return [(key, artifact.id) for key, artifact in self._artifacts(execution, _INPUT)]

    def _maker(self, cached: pb.Execution, others: list[pb.Execution]) -> pb.Execution | None:
        """Find the execution that really made what a cached one reused."""
        made = {artifact.id for _, artifact in self._artifacts(cached, _OUTPUT)}
        for other in others:
            if other.last_known_state != CACHED and made & {
                artifact.id for _, artifact in self._artifacts(other, _OUTPUT)
            }:
                return other
        return None

    def _artifacts(
        self, execution: pb.Execution, kind: pb.Event.Type
    ) -> list[tuple[str, pb.Artifact]]:
        events = self._store.get_events_by_execution_ids([execution.id])
        keys = {e.artifact_id: e.path.steps[0].key for e in events if e.type == kind}
        artifacts = self._store.get_artifacts_by_id(list(keys)) if keys else []
        return [(keys[artifact.id], artifact) for artifact in artifacts]


def _plain(value: pb.Value) -> str | int | float:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else ""


def _time(execution: pb.Execution) -> str:
    stamp = datetime.datetime.fromtimestamp(execution.create_time_since_epoch / 1000)
    return stamp.strftime("%Y-%m-%d %H:%M:%S")


def _changed_settings(before: pb.Execution, after: pb.Execution) -> list[str]:
    """Name the settings that differ, with old and new value where they are short."""
    old, new = (_flat("", _settings(execution)) for execution in (before, after))
    changes = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            values = f"{old.get(key, 'none')} -> {new.get(key, 'none')}"
            changes.append(f"{key} {values}" if len(values) <= 40 else key)
    return changes


def _settings(execution: pb.Execution) -> dict[str, object]:
    values = execution.custom_properties.items()
    return {name: _plain(value) for name, value in values if not name.startswith("__")}


def _flat(key: str, value: object) -> dict[str, object]:
    """Flatten settings, which travel as JSON inside JSON, to the dotted keys of a recipe."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(json.JSONDecodeError):
            value = json.loads(value)
    if not isinstance(value, dict):
        return {key: value}
    found: dict[str, object] = {}
    for name, part in value.items():
        # The recipe's text repeats what its parsed sections say.
        if name != "recipe":
            outer = "" if key in WRAPPERS else f"{key}."
            found.update(_flat(f"{outer}{name}", part))
    return found
