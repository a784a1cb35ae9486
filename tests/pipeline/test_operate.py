"""Scores of a pushed version, found in the metadata of the run that pushed it."""

from __future__ import annotations

import json
from pathlib import Path

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.operate import Place, scores


class Runs:
    """A metadata store in which evaluations and pushes take turns, as runs leave it."""

    def __init__(self, output: Path) -> None:
        self.output = output
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(output / "metadata.sqlite")
        self.store = MetadataStore(config)
        self.kind = self.store.put_execution_type(pb.ExecutionType(name="Any"))
        self.artifacts = self.store.put_artifact_type(pb.ArtifactType(name="Any"))
        kind = self.store.put_context_type(pb.ContextType(name="node"))
        nodes = ("GenerativeEvaluator", "Pusher")
        ids = self.store.put_contexts(
            [pb.Context(type_id=kind, name=f"digits_cgan.{node}") for node in nodes]
        )
        self.contexts = dict(zip(nodes, ids, strict=True))

    def ran(self, node: str, key: str, uri: str, **facts: str) -> None:
        artifact = pb.Artifact(type_id=self.artifacts, uri=uri)
        for name, value in facts.items():
            artifact.custom_properties[name].string_value = value
        (made,) = self.store.put_artifacts([artifact])
        execution = pb.Execution(type_id=self.kind, last_known_state=pb.Execution.COMPLETE)
        (number,) = self.store.put_executions([execution])
        self.store.put_attributions_and_associations(
            [], [pb.Association(execution_id=number, context_id=self.contexts[node])]
        )
        event = pb.Event(artifact_id=made, execution_id=number, type=pb.Event.OUTPUT)
        event.path.steps.add().key = key
        self.store.put_events([event])

    def run(self, version: int, fid: float) -> None:
        """Evaluate and push."""
        folder = self.output / f"evaluation-{version}"
        folder.mkdir()
        text = json.dumps({"scores": {"fid": {"value": fid, "error": 0.1}}})
        (folder / "evaluation.json").write_text(text)
        (self.output / "serving/digits" / str(version)).mkdir(parents=True)
        self.ran("GenerativeEvaluator", "evaluation", str(folder))
        self.ran("Pusher", "pushed_model", "/pushed", pushed_version=str(version))


def test_each_version_has_the_scores_of_its_own_run(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.run(7, 9.5)
    runs.run(8, 6.25)
    runs.ran("GenerativeEvaluator", "evaluation", str(tmp_path / "refused"))
    find = scores(Place("digits_cgan", str(tmp_path)))
    assert find(7) == {"fid": 9.5}
    assert find(8) == {"fid": 6.25}
    assert find(99) == {}


def test_scores_that_travel_with_the_version_come_first(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.run(7, 9.5)
    extra = tmp_path / "serving/digits/7/assets.extra"
    extra.mkdir()
    (extra / "evaluation.json").write_text('{"scores": {"fid": {"value": 1.0}}}')
    assert scores(Place("digits_cgan", str(tmp_path)))(7) == {"fid": 1.0}
    (extra / "evaluation.json").write_text("damaged")
    assert scores(Place("digits_cgan", str(tmp_path)))(7) == {"fid": 9.5}


def test_without_metadata_there_are_no_scores(tmp_path: Path) -> None:
    assert scores(Place("digits_cgan", str(tmp_path)))(7) == {}
