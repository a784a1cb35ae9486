"""The real chain from the data set to the data check, run by TFX on the digits."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from components.data_check.component import DataCheck
from components.datasets.digits import encode
from components.example_gen.component import TfdsExampleGen
from components.reviewed_schema.component import ReviewedSchema
from trainer.errors import UserError

BEAM_ARGS = ["--runner=FnApiRunner", "--sdk_container_image=none"]
SPLITS = {"train": "train", "eval": "test"}


def run_chain(root: Path, example_node, examples) -> None:
    """Run `example_node` and everything behind it, up to DataCheck."""
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema = ReviewedSchema("digits")
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    check = DataCheck(
        "digits",
        examples=examples,
        anomalies=validator.outputs["anomalies"],
        state_dir=str(root / "state"),
    )
    after = tfx.components.StatisticsGen(examples=check.outputs["checked"]).with_id("After")
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="data",
            pipeline_root=str(root / "root"),
            components=[example_node, statistics, schema, validator, check, after],
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "m.db"))
            ),
            beam_pipeline_args=BEAM_ARGS,
        )
    )


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def chain(tmp_path_factory, data_dir) -> Path:
    root = tmp_path_factory.mktemp("chain")
    node = TfdsExampleGen("digits", SPLITS, str(data_dir), num_shards=3)
    run_chain(root, node, node.outputs["examples"])
    return root / "root"


def artifact(root: Path, node: str, key: str) -> Path:
    (found,) = (root / node / key).iterdir()
    return found


def read(folder: Path) -> dict[str, tf.train.Example]:
    """Read a split: id -> example."""
    examples = {}
    for file in sorted(folder.glob("*.gz")):
        for raw in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator():
            example = tf.train.Example.FromString(raw)
            examples[example.features.feature["id"].bytes_list.value[0].decode()] = example
    return examples


def test_manifest_counts_what_is_on_the_disk(chain):
    examples = artifact(chain, "TfdsExampleGen", "examples")
    manifest = json.loads((examples / "manifest.json").read_text())
    train, test = read(examples / "Split-train"), read(examples / "Split-eval")
    assert (len(train), len(test)) == (1297, 500)
    assert not set(train) & set(test)
    assert (manifest["dataset"], manifest["version"]) == ("digits", "1.0.0")
    assert manifest["splits"]["train"]["records"] == 1297
    assert manifest["splits"]["eval"] == {
        "expression": "test",
        "records": 500,
        "bytes": sum(e.ByteSize() for e in test.values()),
        "fingerprint": manifest["splits"]["eval"]["fingerprint"],
    }
    names = sorted(p.name for p in (examples / "Split-train").iterdir())
    assert names == [f"data_tfrecord-0000{i}-of-00003.gz" for i in range(3)]
    assert sorted(p.name for p in examples.iterdir()) == [
        "Split-eval",
        "Split-train",
        "manifest.json",
    ]


def test_images_are_the_sources_own(chain):
    pixels, labels = load_digits(return_X_y=True)
    examples = artifact(chain, "TfdsExampleGen", "examples")
    every = read(examples / "Split-train") | read(examples / "Split-eval")
    assert sorted(every) == [f"digits/{i:04d}" for i in range(1797)]
    for index in range(0, 1797, 97):
        features = every[f"digits/{index:04d}"].features.feature
        png = features["image"].bytes_list.value[0]
        assert png == encode(pixels[index].reshape(8, 8))
        image = np.asarray(Image.open(io.BytesIO(png)))
        assert image.shape == (28, 28)
        assert image.dtype == np.uint8
        assert not image[:2].any()
        assert not image[:, -2:].any()
        assert features["label"].int64_list.value[0] == labels[index]


def test_clean_digits_pass_and_followers_read_what_was_checked(chain):
    (file,) = artifact(chain, "DataCheck", "report").iterdir()
    report = json.loads(file.read_text())
    assert report["accepted"] is True
    assert report["records"] == {"train": 1297, "eval": 500}
    assert report["corrupt"] == {"train": 0, "eval": 0}
    assert report["anomalies"] == []
    assert report["compared_with_accepted"] is False
    train, test = load_digits_pixels(chain)
    for split, pixels in (("train", train), ("eval", test)):
        figures = report["statistics"][split]
        assert figures["records"] == len(pixels)
        assert figures["classes"] == 10
        assert figures["pixel mean"] == pytest.approx(pixels.mean(), abs=1e-3)
        assert figures["pixel deviation"] == pytest.approx(pixels.std(), abs=1e-3)
    given = artifact(chain, "TfdsExampleGen", "examples")
    checked = artifact(chain, "DataCheck", "checked")
    for path in given.rglob("*.gz"):
        assert (checked / path.relative_to(given)).read_bytes() == path.read_bytes()
    manifests = [json.loads((uri / "manifest.json").read_text()) for uri in (given, checked)]
    assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"]
    assert list(artifact(chain, "After", "statistics").iterdir())
    accepted = json.loads((chain.parent / "state" / "accepted-digits.json").read_text())
    assert {split: content["records"] for split, content in accepted.items()} == report["records"]


def load_digits_pixels(root: Path) -> list[np.ndarray]:
    examples = artifact(root, "TfdsExampleGen", "examples")
    return [
        np.stack(
            [
                np.asarray(Image.open(io.BytesIO(e.features.feature["image"].bytes_list.value[0])))
                for e in read(examples / f"Split-{split}").values()
            ]
        ).astype(float)
        for split in ("train", "eval")
    ]


def test_artifact_properties_name_the_data(chain):
    store = metadata.Metadata(
        tfx.orchestration.metadata.sqlite_metadata_connection_config(str(chain.parent / "m.db"))
    )
    with store as handle:
        found = handle.store.get_artifacts_by_type("Examples")[0]
    manifest = json.loads(
        (artifact(chain, "TfdsExampleGen", "examples") / "manifest.json").read_text()
    )
    custom = found.custom_properties
    assert custom["records_train"].int_value == 1297
    assert custom["records_eval"].int_value == 500
    assert custom["payload_format"].string_value == "FORMAT_TF_EXAMPLE"
    assert custom["file_format"].string_value == "tfrecords_gzip"
    assert custom["fingerprint"].string_value == manifest["fingerprint"]
    assert json.loads(found.properties["split_names"].string_value) == ["train", "eval"]


def test_corrupted_examples_stop_the_run(chain, tmp_path):
    """Three labels out of range, one image missing, one not decodable, one of another size."""
    good = artifact(chain, "TfdsExampleGen", "examples")
    bad = tmp_path / "examples"
    for split in ("train", "eval"):
        examples = sorted(read(good / f"Split-{split}").items())
        (bad / f"Split-{split}").mkdir(parents=True)
        if split == "train":
            for _, example in examples[:3]:
                example.features.feature["label"].int64_list.value[0] = 11
            examples[3][1].features.feature["image"].bytes_list.value[0] = b"\x89PNG\r\n\x1a\n junk"
            other = io.BytesIO()
            Image.new("L", (28, 14)).save(other, format="PNG")
            examples[4][1].features.feature["image"].bytes_list.value[0] = other.getvalue()
        else:
            del examples[0][1].features.feature["image"]
        path = str(bad / f"Split-{split}" / "data_tfrecord-00000-of-00001.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for _, example in examples:
                writer.write(example.SerializeToString())
    node = tfx.dsl.Importer(
        source_uri=str(bad),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["train", "eval"]'},
    ).with_id("Import")
    with pytest.raises(UserError) as caught:
        run_chain(tmp_path, node, node.outputs["result"])
    message = str(caught.value)
    ids = sorted(read(good / "Split-train"))
    rejected = tmp_path / "state" / "rejected-digits"
    assert message == (
        "data check failed for dataset 'digits': "
        f"image (eval): 1 of 500 missing, for example {min(read(good / 'Split-eval'))}; "
        f"image (train): 1 of 1,297 not decodable as PNG or JPEG, for example {ids[3]}; "
        f"image (train): 1 of 1,297 of size 14x28 instead of 28x28, for example {ids[4]}; "
        f"label (train): 3 of 1,297 outside [0, 9], for example {ids[0]}; "
        f"the report and any corrupt records are in {rejected}"
    )
    assert sorted(read(rejected / "quarantine" / "Split-train")) == ids[:5]
    (listed,) = (rejected / "quarantine" / "Split-train").glob("*.jsonl")
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    assert [line["id"] for line in lines] == ids[:5]
    assert lines[3]["problems"] == ["image: not decodable as PNG or JPEG"]
    report = json.loads((rejected / "report.json").read_text())
    assert report["corrupt"] == {"train": 5, "eval": 1}
    assert not (tmp_path / "state" / "accepted-digits.json").exists()
    assert not list((tmp_path / "root").glob("After/statistics/*"))
    assert not list((tmp_path / "root").glob("DataCheck/[rc]*/*"))
    anomalies = [tfx_anomalies(tmp_path / "root", split) for split in ("train", "eval")]
    assert anomalies == [["label"], ["image"]]


def tfx_anomalies(root: Path, split: str) -> list[str]:
    """Name the features that ExampleValidator itself found wrong."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    folder = artifact(root, "ExampleValidator", "anomalies") / f"Split-{split}"
    content = (folder / "SchemaDiff.pb").read_bytes()
    return sorted(anomalies_pb2.Anomalies.FromString(content).anomaly_info)


def test_two_runs_write_the_same_bytes(chain, data_dir, tmp_path):
    from components.example_gen.executor import Executor

    again = standard_artifacts.Examples()
    again.uri = str(tmp_path / "examples")
    Executor(Executor.Context(beam_pipeline_args=BEAM_ARGS)).Do(
        {},
        {"examples": [again]},
        {
            "dataset": "digits",
            "splits": json.dumps(SPLITS),
            "data_dir": str(data_dir),
            "num_shards": 3,
        },
    )
    first = artifact(chain, "TfdsExampleGen", "examples")
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(
        p.relative_to(again.uri) for p in Path(again.uri).rglob("*") if p.is_file()
    )
    for file in files:
        assert (first / file).read_bytes() == (Path(again.uri) / file).read_bytes(), file
