"""Read-only questions to ML Metadata about one run on Kubeflow; needs no TFX import."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ml_metadata import errors
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.lineage import CACHED, DONE, Lineage, Output

REASONS = ("reasons", "blessing_message")
"""Where our serving check and TFX's evaluators put why they refused."""


class Run:
    """One run of a pipeline: what its nodes did and made."""

    def __init__(self, store: MetadataStore, pipeline: str, run_id: str) -> None:
        self.store, self.pipeline, self.run_id = store, pipeline, run_id
        self.lineage = Lineage(store, pipeline)

    def executions(self, node: str) -> list[pb.Execution]:
        """Return a node's executions in this run, newest first."""
        return [e for e in self._all() if f"{self.pipeline}.{node}" in self._nodes_of(e)]

    def done(self, node: str) -> pb.Execution | None:
        """Return the node's execution that ended well; None: there is none yet."""
        return next((e for e in self.executions(node) if e.last_known_state in DONE), None)

    def state(self, node: str) -> str:
        """Say what became of a node: done, cached, failed, or not run."""
        finished = self.done(node)
        if finished is not None:
            return "cached" if finished.last_known_state == CACHED else "done"
        return "failed" if self.executions(node) else "not run"

    def outputs(self, node: str) -> list[Output]:
        """Return what a node made, or reused; nothing unless it ended well."""
        finished = self.done(node)
        return self.lineage.outputs(finished) if finished is not None else []

    def _all(self) -> list[pb.Execution]:
        context = self.store.get_context_by_type_and_name("pipeline_run", self.run_id)
        if context is None:
            return []
        try:
            found = self.store.get_executions_by_context(context.id)
        except errors.NotFoundError:
            return []
        return sorted(found, key=lambda execution: execution.id, reverse=True)

    def _nodes_of(self, execution: pb.Execution) -> set[str]:
        return {context.name for context in self.store.get_contexts_by_execution(execution.id)}


def refusal(outputs: Iterable[Output]) -> str | None:
    """Return why a node's blessing says no; None when it says yes or there is none."""
    for output in outputs:
        if output.properties.get("blessed") == 0:
            reasons = [str(output.properties[key]) for key in REASONS if output.properties.get(key)]
            return "; ".join(reasons) or "not blessed"
    return None


def message(execution: pb.Execution) -> str:
    """Return the last line of what TFX recorded of a failure; empty when there is nothing."""
    recorded = execution.custom_properties["__execution_result__"].string_value
    try:
        text = str(json.loads(recorded).get("resultMessage", "")) if recorded else ""
    except ValueError:
        text = recorded
    return text.strip().rpartition("\n")[2]
