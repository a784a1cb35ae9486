"""A scheduled retraining trains for a reason only; a warm start is no reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline import config, run
from pipeline.cluster.retrain import gate, retrain
from pipeline.paths import Paths
from pipeline.recipe import Recipe

DONE, CACHED = pb.Execution.COMPLETE, pb.Execution.CACHED


class Runs:
    """Stands for the local run: writes to a real metadata store what its nodes would."""

    def __init__(self, paths: Paths) -> None:
        settings = pb.ConnectionConfig()
        settings.sqlite.filename_uri = str(paths.metadata)
        settings.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = MetadataStore(settings)
        kind = pb.ContextType(name="node")
        self.context_type = self.store.put_context_type(kind)
        self.execution_type = self.store.put_execution_type(pb.ExecutionType(name="any"))
        self.new_data, self.calls = True, 0
        self.ends: list[str | None] = []

    def __call__(self, recipe: Recipe, paths: Paths, first: Any, last: str | None) -> None:
        self.ends.append(last)
        self.put(recipe, "DataCheck", DONE if self.new_data else CACHED)
        if last is None:
            changed = self.new_data or getattr(recipe.train, "warm_start", False)
            self.put(recipe, "Trainer", DONE if changed else CACHED)
            self.put(recipe, "Pusher", DONE if changed else CACHED)
            (paths.output / "recipe.yaml").write_text(config.dump(recipe))

    def put(self, recipe: Recipe, node: str, state: Any) -> None:
        self.calls += 1
        execution = pb.Execution(
            type_id=self.execution_type, last_known_state=state, name=str(self.calls)
        )
        context = pb.Context(type_id=self.context_type, name=f"{recipe.name}.{node}")
        self.store.put_execution(execution, [], [context], reuse_context_if_already_exist=True)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs(Paths(tmp_path, str(tmp_path)))
    monkeypatch.setattr(run, "run", made)
    return made


def test_cached_training_is_said(runs: Runs, tmp_path: Path) -> None:
    recipe, paths = config.load("digits_cgan"), Paths(tmp_path, str(tmp_path))
    assert retrain(recipe, paths) == "retrained: new data, code or settings"
    runs.new_data = False
    assert retrain(recipe, paths).startswith("training skipped: no new data and no drift; same")


def test_a_warm_start_does_not_train_for_ever(runs: Runs, tmp_path: Path) -> None:
    recipe = config.load("digits_cgan", ["train.warm_start=true"])
    paths = Paths(tmp_path, str(tmp_path))
    assert retrain(recipe, paths).startswith("retrained")
    runs.new_data = False
    for _ in range(2):
        assert retrain(recipe, paths).startswith("training skipped: no new data and no drift")
    assert runs.ends == [None, "DataCheck", "DataCheck"]
    other = config.load("digits_cgan", ["train.warm_start=true", "train.steps=3"])
    assert retrain(other, paths).startswith("retrained")
    runs.new_data = True
    assert retrain(other, paths).startswith("retrained")
    # New data were seen, and the training of them failed: the next start must train.
    runs.put(other, "DataCheck", DONE)
    runs.new_data = False
    assert retrain(other, paths).startswith("retrained")


def test_what_the_gate_is() -> None:
    plain, warm = config.load("digits_cgan"), config.load("digits_cgan", ["train.warm_start=true"])
    assert "nothing is trained" in gate(plain, local=False) == gate(warm, local=True)
    assert "on a cluster every start trains" in gate(warm, local=False)
    assert "every start trains anew" in gate(
        config.load("digits_cgan", ["cache=false"]), local=True
    )
