"""The table of data sets, the digits builder and what preparation does when things go wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tensorflow_datasets as tfds
from google.protobuf import text_format
from sklearn.datasets import load_digits
from tensorflow_metadata.proto.v0 import schema_pb2

from components import datasets
from components.datasets.base import Source
from components.datasets.prepare import builder, prepare
from trainer.errors import UserError

DIGITS = datasets.get("digits")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(DIGITS, tmp_path_factory.mktemp("tfds"))


def test_looking_up_a_dataset_imports_no_tensorflow():
    code = (
        "import sys; from components import datasets\n"
        "for name in datasets.DATASETS: datasets.get(name)\n"
        "print(*sorted({'tensorflow', 'apache_beam', 'tfx', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_unknown_name_gets_the_nearest():
    with pytest.raises(UserError, match=r"did you mean 'mnist'.*known: cifar10, "):
        datasets.get("mnits")


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_spec_agrees_with_its_builder_and_schema(name, tmp_path):
    spec = datasets.get(name)
    if "folder" in spec.takes:
        (tmp_path / "own" / "train" / "cat").mkdir(parents=True)
        (tmp_path / "own" / "train" / "cat" / "1.png").write_bytes(b"")
        if name == "coco_folder":
            content = '{"images": [], "annotations": []}'
            (tmp_path / "own" / "captions_train.json").write_text(content)
        spec = datasets.resolve(name, Source(folder=str(tmp_path / "own")))
    features = builder(spec, tmp_path).info.features
    assert spec.name == name
    if spec.value_feature:
        assert features[spec.value_feature].shape == () and spec.image_shape == (1, 1, 1)
    else:
        assert features[spec.image_feature].shape == spec.image_shape
    if spec.label_names:
        assert features[spec.label_feature].num_classes == spec.num_classes
    assert (spec.captions_feature is None) == ("captions" not in features)
    schema = text_format.Parse(spec.schema_file.read_text(), schema_pb2.Schema())
    described = {feature.name: feature for feature in schema.feature}
    expected = {"value" if spec.value_feature else "image", "id"}
    expected |= {"label"} if spec.label_names else set()
    expected |= {"captions"} if spec.captions_feature else set()
    expected |= {"facts"} if spec.facts_feature else set()
    assert set(described) == expected
    assert all(feature.presence.min_fraction == 1 for feature in described.values())
    if spec.label_names and name != "image_folder":
        assert described["label"].int_domain.max == spec.num_classes - 1


def test_digits_splits_are_disjoint_complete_and_stratified(prepared):
    labels = {}
    for split, size in DIGITS.splits.items():
        rows = list(tfds.as_numpy(prepared.as_dataset(split)))
        assert len(rows) == size
        labels[split] = {row["id"].decode(): int(row["label"]) for row in rows}
        shares = Counter(labels[split].values())
        assert all(0.09 * size < shares[digit] < 0.11 * size for digit in range(10))
    every = labels["train"] | labels["test"]
    assert [every[f"{index:04d}"] for index in range(1797)] == load_digits().target.tolist()


def test_preparing_elsewhere_gives_the_same_bytes(prepared, tmp_path):
    other = prepare(DIGITS, tmp_path)
    files = sorted(path.name for path in Path(prepared.data_path).glob("*.tfrecord*"))
    assert len(files) == 2
    for name in files:
        first, second = Path(prepared.data_path, name), Path(other.data_path, name)
        assert first.read_bytes() == second.read_bytes()


def test_two_processes_may_prepare_at_once(tmp_path):
    code = (
        "import sys\n"
        "from components import datasets\n"
        "from components.datasets.prepare import prepare\n"
        "print(prepare(datasets.get('digits'), sys.argv[1]).info.splits['train'].num_examples)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [racer.communicate(timeout=120)[0].strip() for racer in racers] == ["1297", "1297"]
    assert [path.name for path in (tmp_path / "digits").iterdir()] == ["1.0.0"]


def test_interrupted_preparation_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(cells):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("components.datasets.digits.encode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare(DIGITS, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert prepare(DIGITS, tmp_path).info.splits["test"].num_examples == 500


def test_a_killed_preparation_is_not_taken_for_a_complete_one(tmp_path):
    (tmp_path / "digits" / "1.0.0.incomplete.ABC123").mkdir(parents=True)
    assert prepare(DIGITS, tmp_path).info.splits["test"].num_examples == 500


def test_a_damaged_folder_is_named(tmp_path):
    ready = prepare(DIGITS, tmp_path)
    (Path(ready.data_path) / "digits-test.tfrecord-00000-of-00001").unlink()
    with pytest.raises(UserError, match=r"is damaged \(digits-test.tfrecord.* is missing\)"):
        prepare(DIGITS, tmp_path)


def test_nothing_prepared_and_no_download(tmp_path):
    with pytest.raises(UserError, match=r"give a data_dir that holds mnist/3.0.1/"):
        prepare(datasets.get("mnist"), tmp_path, download=False)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_host_is_named_at_once(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(UserError, match=r"storage.googleapis.com cannot be reached"):
        prepare(datasets.get("mnist"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_version_in_the_folder_is_refused(tmp_path):
    (tmp_path / "mnist" / "2.0.0").mkdir(parents=True)
    (tmp_path / "mnist" / "2.0.0" / "dataset_info.json").write_text("{}")
    with pytest.raises(UserError, match=r"needed at version 3.0.1, but .*/mnist holds 2.0.0"):
        prepare(datasets.get("mnist"), tmp_path)


def test_a_version_that_the_library_lacks(tmp_path):
    with pytest.raises(UserError, match=r"read at version 9.9.9, which the installed"):
        builder(dataclasses.replace(datasets.get("mnist"), version="9.9.9"), tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"could not be prepared in .*give a data_dir"):
        prepare(DIGITS, tmp_path / "file")
