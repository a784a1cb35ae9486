"""A metadata file as TFX leaves it after three runs: trained, cached, trained again and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as pb

NODES = {
    "TfdsExampleGen": ("examples", "Examples"),
    "Trainer": ("model", "Model"),
    "GenerativeEvaluator": ("evaluation", "ModelEvaluation"),
    "Pusher": ("pushed_model", "PushedModel"),
}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


class Folder:
    """Writes runs into an output folder the way TFX's launcher records them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(path / "metadata.sqlite")
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = MetadataStore(config)
        types = {name: pb.ContextType(name=name) for name in ("pipeline", "pipeline_run", "node")}
        self.types = {name: self.store.put_context_type(kind) for name, kind in types.items()}
        self._context("pipeline", "toy_gan")
        self.nodes = {node: self._context("node", f"toy_gan.{node}") for node in NODES}
        self.made: dict[str, pb.Artifact] = {}

    def _context(self, kind: str, name: str) -> int:
        return self.store.put_contexts([pb.Context(type_id=self.types[kind], name=name)])[0]

    def run(self, name: str, state: int, settings: dict[str, dict], fid: float | None) -> None:
        """Record a run; `fid` None reuses the artifacts of the run before."""
        run = self._context("pipeline_run", name)
        for node, (key, kind) in NODES.items():
            if fid is not None:
                self.made[node] = self._make(node, kind, fid, name)
            elif node == "Pusher" and node not in self.made:
                continue
            execution = pb.Execution(
                type_id=self.store.put_execution_type(pb.ExecutionType(name=f"our.{node}")),
                last_known_state=state,
            )
            for setting, value in settings.get(node, {}).items():
                execution.custom_properties[setting].string_value = value
            event = pb.Event(type=pb.Event.OUTPUT)
            event.path.steps.add().key = key
            contexts = [pb.Context(id=run), pb.Context(id=self.nodes[node])]
            stored = self.store.get_contexts_by_id([c.id for c in contexts])
            self.store.put_execution(execution, [(self.made[node], event)], stored)
            if fid is not None:
                uri = self.store.get_artifacts_by_uri(self.made[node].uri)
                self.made[node] = uri[0]

    def _make(self, node: str, kind: str, fid: float, name: str) -> pb.Artifact:
        folder = self.path / "artifacts" / node / name
        folder.mkdir(parents=True)
        type_id = self.store.put_artifact_type(pb.ArtifactType(name=kind))
        artifact = pb.Artifact(type_id=type_id, uri=str(folder))
        blessed = fid < 1
        if node == "TfdsExampleGen":
            splits = {"train": {"records": 1297, "expression": "train[:90%]"}}
            manifest = {"dataset": "digits", "version": "1.0.0", "fingerprint": "f00d"}
            (folder / "manifest.json").write_text(json.dumps({**manifest, "splits": splits}))
        if node == "GenerativeEvaluator":
            (folder / "report.html").write_text("<p>report")
            (folder / "samples.png").write_bytes(PNG)
            told = {
                "blessed": blessed,
                "scores": {"fid_toy_1k": {"value": fid, "error": 0.01}},
                "checks": [{"text": f"fid_toy_1k is {fid}", "passed": blessed}],
                "protocol": {"extractor_fingerprint": "abc"},
                "data": {"dataset": "digits"},
            }
            (folder / "evaluation.json").write_text(json.dumps(told))
        if node == "Pusher":
            version = folder.parents[2] / "serving" / "toys" / "17"
            version.mkdir(parents=True, exist_ok=True)
            artifact.custom_properties["pushed_version"].string_value = "17" if blessed else ""
            artifact.custom_properties["pushed_destination"].string_value = str(version)
        return artifact


@pytest.fixture(scope="session")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an output folder with three runs."""
    folder = Folder(tmp_path_factory.mktemp("history") / "toy_gan")
    trainer = lambda steps: {  # noqa: E731
        "Trainer": {
            "custom_config": json.dumps({"trainer": json.dumps({"train": {"steps": steps}})}),
            "checkpoint_root": f"/anywhere/{steps}",
        }
    }
    folder.run("a", pb.Execution.COMPLETE, trainer(100), 0.25)
    folder.run("b", pb.Execution.CACHED, trainer(100), None)
    folder.run("c", pb.Execution.COMPLETE, trainer(5), 7.5)
    return folder.path
