"""The official data sets, read from a folder prepared elsewhere; skipped where there is none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from tfx.types import standard_artifacts

from components import contact_sheet, datasets
from components.data_check.record import judge
from components.example_gen.executor import Executor

ROOT = Path(__file__).resolve().parents[2]
PREPARED = Path(os.environ.get("GENVISION_TFDS_DIR", ROOT.parent / "shared" / "tfds"))
LIMIT = 60


def ingest(name: str, splits: dict[str, str], folder: Path) -> Path:
    spec = datasets.get(name)
    if not (PREPARED / spec.folder).is_dir():
        pytest.skip(f"{PREPARED / spec.folder} is not there; set GENVISION_TFDS_DIR")
    examples = standard_artifacts.Examples()
    examples.uri = str(folder)
    Executor(
        Executor.Context(beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"])
    ).Do(
        {},
        {"examples": [examples]},
        {
            "dataset": name,
            "splits": json.dumps(splits),
            "data_dir": str(PREPARED),
            "limit": LIMIT,
            "num_shards": 2,
        },
    )
    return folder


def read(folder: Path, split: str) -> list[bytes]:
    files = sorted(str(file) for file in (folder / f"Split-{split}").iterdir())
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_labelled_images(name, tmp_path):
    spec = datasets.get(name)
    folder = ingest(name, {"train": "train[50%:]", "eval": "test"}, tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [manifest["splits"][split]["records"] for split in ("train", "eval")] == [LIMIT, LIMIT]

    stored = read(folder, "eval")
    builder = tfds.builder(name, data_dir=str(PREPARED))
    sizes = {split: builder.info.splits[split].num_examples for split in builder.info.splits}
    assert sizes == spec.splits
    assert tuple(builder.info.features["label"].names) == spec.label_names
    source = builder.as_dataset(f"test[:{LIMIT}]")
    for number, (payload, row) in enumerate(zip(stored, tfds.as_numpy(source), strict=True)):
        judged = judge(spec, payload)
        assert judged.problems == []
        own = row["id"].decode() if "id" in row else f"test/{number}"
        assert judged.identity == f"{name}/{own}"
        features = tf.train.Example.FromString(payload).features.feature
        assert features["label"].int64_list.value[0] == row["label"]
        image = tf.io.decode_image(features["image"].bytes_list.value[0]).numpy()
        assert np.array_equal(image, row["image"])
    if name == "mnist":
        first = tf.train.Example.FromString(read(folder, "train")[0])
        assert first.features.feature["id"].bytes_list.value[0] == b"mnist/train/30000"


def test_captions_stay_with_their_image(tmp_path):
    folder = ingest("coco_captions", {"train": "train", "eval": "val"}, tmp_path)
    payloads = read(folder, "eval")
    source = tfds.builder("coco_captions/2014", data_dir=str(PREPARED)).as_dataset(f"val[:{LIMIT}]")
    for payload, row in zip(payloads, tfds.as_numpy(source), strict=True):
        judged = judge(datasets.get("coco_captions"), payload)
        assert judged.problems == []
        assert judged.identity == f"coco_captions/{row['image/id']}"
        features = tf.train.Example.FromString(payload).features.feature
        assert sorted(features) == ["captions", "id", "image"]
        assert list(features["captions"].bytes_list.value) == row["captions"]["text"].tolist()
        assert len(features["captions"].bytes_list.value) >= 5
    header, rows = contact_sheet.table(contact_sheet.examples(folder, 4, "eval"))
    assert header == ["id", "captions", "image"]
    assert len(rows) == 4
