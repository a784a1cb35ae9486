"""Reasons from a real metadata store, filled with executions as TFX writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.lineage import Lineage
from trainer.errors import UserError


class Store:
    """A SQLite metadata store with one node's executions."""

    def __init__(self, path: Path) -> None:
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path)
        self.store = MetadataStore(config)
        self.kind = self.store.put_execution_type(pb.ExecutionType(name="Trainer"))
        self.artifacts = self.store.put_artifact_type(pb.ArtifactType(name="Model"))
        context = self.store.put_context_type(pb.ContextType(name="node"))
        (self.context,) = self.store.put_contexts([pb.Context(type_id=context, name="p.Trainer")])

    def artifact(self, uri: str) -> int:
        (number,) = self.store.put_artifacts([pb.Artifact(type_id=self.artifacts, uri=uri)])
        return number

    def execution(self, state: int, settings: str, data: int, model: int) -> pb.Execution:
        execution = pb.Execution(type_id=self.kind, last_known_state=state)
        execution.custom_properties["custom_config"].string_value = settings
        (number,) = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [pb.Association(execution_id=number, context_id=self.context)]
        )
        for artifact, kind, key in (
            (data, pb.Event.INPUT, "examples"),
            (model, pb.Event.OUTPUT, "model"),
        ):
            event = pb.Event(artifact_id=artifact, execution_id=number, type=kind)
            event.path.steps.add().key = key
            self.store.put_events([event])
        (execution,) = self.store.get_executions_by_id([number])
        return execution


def config(**train: object) -> str:
    return json.dumps({"trainer": json.dumps({"train": train, "recipe": repr(train)})})


@pytest.fixture
def told(tmp_path: Path):
    store = Store(tmp_path / "m.sqlite")
    lineage = Lineage.of(tmp_path / "m.sqlite", "p")
    data, other = store.artifact("/data/1"), store.artifact("/data/2")
    models = [store.artifact(f"/model/{n}") for n in range(3)]
    why = lambda execution, caching=True: lineage.why(execution, "Trainer", caching)  # noqa: E731
    return store, lineage, data, other, models, why


def test_each_reason_in_words(told) -> None:
    store, _, data, other, models, why = told
    done, cached = pb.Execution.COMPLETE, pb.Execution.CACHED
    first = store.execution(done, config(steps=5), data, models[0])
    assert why(first) == "first run"
    again = store.execution(cached, config(steps=5), data, models[0])
    assert why(again).startswith("same inputs and settings as in the run of 20")
    longer = store.execution(done, config(steps=9), data, models[1])
    assert why(longer) == "changed: train.steps 5 -> 9"
    moved = store.execution(done, config(steps=9), other, models[2])
    assert why(moved) == "new input: examples"
    edited = store.execution(done, config(steps=9), other, models[2])
    assert why(edited) == "changed: code or Beam options"
    assert why(edited, caching=False) == "cache off"


def test_many_changes_are_counted(told) -> None:
    store, _, data, _, models, why = told
    store.execution(pb.Execution.COMPLETE, config(a=1, b=1, c=1, d=1, e=1), data, models[0])
    after = store.execution(
        pb.Execution.COMPLETE, config(a=2, b=2, c=2, d=2, e="x" * 50), data, models[1]
    )
    assert why(after) == "changed: train.a 1 -> 2, train.b 1 -> 2, train.c 1 -> 2 and 2 more"


def test_latest_is_the_newest_finished_output(told) -> None:
    store, lineage, data, _, models, _ = told
    with pytest.raises(UserError, match="Trainer of 'p' has not finished yet"):
        lineage.latest("Trainer", "model")
    store.execution(pb.Execution.COMPLETE, config(), data, models[0])
    store.execution(pb.Execution.COMPLETE, config(), data, models[1])
    store.execution(pb.Execution.FAILED, config(), data, models[2])
    assert lineage.latest("Trainer", "model").uri == "/model/1"


def test_no_run_yet_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'p' has not run in"):
        Lineage.of(tmp_path / "none.sqlite", "p")
