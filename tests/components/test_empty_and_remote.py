"""Stored splits without records, and prepared data that lie on no local disk."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf
from etils.epath import gpath, register
from tfx.types import standard_artifacts

from components import datasets
from components.datasets.base import DatasetSpec, Source
from components.datasets.prepare import prepare
from components.example_gen.executor import Executor
from trainer.errors import UserError


def ingest(spec: DatasetSpec, data_dir: str, uri: str, **more) -> None:
    examples = standard_artifacts.Examples()
    examples.uri = uri
    Executor(
        Executor.Context(beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"])
    ).Do(
        {},
        {"examples": [examples]},
        {
            "dataset": spec.name,
            "splits": json.dumps({"train": "train", "eval": "test"}),
            "data_dir": data_dir,
            "num_shards": 2,
            **more,
        },
    )


def test_a_folder_with_an_empty_split_is_not_prepared(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "captions_train.json").write_text('{"images": [], "annotations": []}')
    spec = datasets.resolve("coco_folder", Source(folder=str(own)))
    with pytest.raises(UserError) as caught:
        prepare(spec, tmp_path / "d")
    assert str(caught.value) == (
        "dataset 'coco_folder' cannot be prepared: Failed to finalize writing of split \"train\": "
        "No examples were yielded. Put records into that split, or take it away"
    )
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and own not in path.parents]


@pytest.mark.parametrize("lengths", [["0"], []])
def test_a_split_stored_without_records_is_refused_by_name(lengths, tmp_path):
    ready = prepare(datasets.resolve("scenes", Source(size=12)), tmp_path / "d")
    file = ready.data_path / "dataset_info.json"
    content = json.loads(file.read_text())
    for split in content["splits"]:
        if split["name"] == "test":
            split["shardLengths"] = lengths
    file.write_text(json.dumps(content))
    spec = datasets.resolve("scenes", Source(size=12))
    with pytest.raises(UserError, match=r"'eval' = 'test'[^\n]*scenes[^\n]*train \(12\)[^\n]*$"):
        ingest(spec, str(tmp_path / "d"), str(tmp_path / "out"), source='{"size": 12}')
    assert not (tmp_path / "out").exists()


def test_a_data_folder_at_an_address_is_read_through_tensorflow(tmp_path, monkeypatch):
    """TensorFlow's `ram://` stands for `gs://`: a file system that `os.path` knows nothing of."""
    for table, value in (("_URI_PREFIXES", "ram://"), ("_URI_SCHEMES", "ram")):
        known = getattr(gpath, table)
        monkeypatch.setattr(gpath, table, type(known)([*known, value]))
    monkeypatch.setitem(gpath._URI_MAP_ROOT, "ram://", "/ram/")
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "ram", gpath._PREFIX_TO_BACKEND["gs"])
    monkeypatch.setitem(register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath)
    source = Source(size=12)
    spec = datasets.resolve("scenes", source)
    local = prepare(spec, tmp_path / "d")
    remote = f"ram://bucket/tfds/{spec.folder}"
    tf.io.gfile.makedirs(remote)
    for file in local.data_path.iterdir():
        tf.io.gfile.copy(str(file), f"{remote}/{file.name}")
    given = {"source": json.dumps({"size": 12})}
    ingest(spec, "ram://bucket/tfds", str(tmp_path / "there"), **given)
    ingest(spec, str(tmp_path / "d"), str(tmp_path / "here"), **given)
    files = sorted(path for path in (tmp_path / "here").rglob("*") if path.is_file())
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes() == (
            file.read_bytes()
        )
    with pytest.raises(UserError, match=r"mnist.*ram://bucket/tfds/mnist/3.0.1"):
        prepare(datasets.get("mnist"), "ram://bucket/tfds", download=False)
