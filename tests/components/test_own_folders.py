"""One's own folders of images and captions: read as they are, refused in one line when unusable."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tempfile
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import standard_artifacts

from components import datasets
from components.data_check.record import judge
from components.datasets.base import Source
from components.datasets.prepare import prepare
from components.example_gen.executor import Executor
from trainer.errors import UserError


def picture(colour: str, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 8), colour).save(buffer, format=fmt)
    return buffer.getvalue()


def stored(ready, split: str) -> dict[str, tf.train.Features]:
    files = [file.filename for file in ready.info.splits[split].file_instructions]
    found = {}
    for raw in tf.data.TFRecordDataset(files).as_numpy_iterator():
        features = tf.train.Example.FromString(raw).features.feature
        found[features["id"].bytes_list.value[0].decode()] = features
    return found


@pytest.fixture
def images(tmp_path) -> Path:
    root = tmp_path / "own"
    for name, content in {
        "train/cat/1.png": picture("red"),
        "train/cat/2.jpg": picture("blue", "JPEG"),
        "train/dog/1.png": picture("green"),
        "train/dog/notes.txt": b"not an image",
        "train/dog/.hidden": b"",
        "test/cat/9.png": picture("white"),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.fixture
def captioned(tmp_path) -> Path:
    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    (root / "images" / "a.jpg").write_bytes(picture("red", "JPEG"))
    (root / "images" / "b.png").write_bytes(picture("blue"))
    listed = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "gone.jpg"}]
    said = [
        {"image_id": 7, "caption": "a red thing"},
        {"image_id": 8, "caption": "lost"},
        {"image_id": 7, "caption": "redness, \u00e9"},
        {"image_id": 99, "caption": "of an image that is not listed"},
    ]
    content = json.dumps({"images": listed, "annotations": said}, ensure_ascii=False)
    (root / "annotations" / "captions_train.json").write_text(content, encoding="utf-8")
    other = {
        "images": [{"id": 1, "file_name": "b.png"}],
        "annotations": [{"image_id": 1, "caption": "BAD blue"}],
    }
    raw = json.dumps(other).encode().replace(b"BAD", b"\xff\xfe")
    (root / "annotations" / "captions_val.json").write_bytes(raw)
    return root


def test_an_image_folder_keeps_every_file_as_it_is(images, tmp_path):
    spec = datasets.resolve("image_folder", Source(folder=str(images)))
    assert spec.label_names == ("cat", "dog")
    assert spec.splits == {"test": 1, "train": 4}
    ready = prepare(spec, tmp_path / "data")
    records = stored(ready, "train")
    assert {name: f["label"].int64_list.value[0] for name, f in records.items()} == {
        "train/cat/1.png": 0,
        "train/cat/2.jpg": 0,
        "train/dog/1.png": 1,
        "train/dog/notes.txt": 1,
    }
    for name, features in records.items():
        assert features["image"].bytes_list.value[0] == (images / name).read_bytes()


def test_a_changed_folder_is_read_anew(images, tmp_path):
    source = Source(folder=str(images))
    before = datasets.resolve("image_folder", source)
    assert datasets.resolve("image_folder", source) == before
    prepare(before, tmp_path / "data")
    (images / "test" / "dog").mkdir()
    (images / "test" / "dog" / "1.png").write_bytes(picture("black"))
    after = datasets.resolve("image_folder", source)
    assert after.config != before.config
    assert prepare(after, tmp_path / "data").info.splits["test"].num_examples == 2


def test_a_coco_folder_keeps_captions_with_their_image(captioned, tmp_path):
    spec = datasets.resolve("coco_folder", Source(folder=str(captioned)))
    assert spec.splits == {"train": 3, "val": 1}
    ready = prepare(spec, tmp_path / "data")
    records = stored(ready, "train")
    assert sorted(records) == ["train/7", "train/8", "train/99"]
    captions = {name: list(f["captions"].bytes_list.value) for name, f in records.items()}
    assert captions["train/7"] == [b"a red thing", "redness, \u00e9".encode()]
    assert captions["train/99"] == [b"of an image that is not listed"]
    images = {name: f["image"].bytes_list.value[0] for name, f in records.items()}
    assert images["train/7"] == (captioned / "images" / "a.jpg").read_bytes()
    assert images["train/8"] == images["train/99"] == b""
    (odd,) = stored(ready, "val").values()
    assert odd["captions"].bytes_list.value[0] == b"\xff\xfe blue"


def test_an_image_outside_the_folder_is_not_read(captioned, tmp_path):
    (tmp_path / "secret.png").write_bytes(picture("white"))
    content = {
        "images": [{"id": 1, "file_name": "../secret.png"}],
        "annotations": [{"image_id": 1, "caption": "a secret"}],
    }
    (captioned / "captions_more.json").write_text(json.dumps(content))
    spec = datasets.resolve("coco_folder", Source(folder=str(captioned)))
    (record,) = stored(prepare(spec, tmp_path / "data"), "more").values()
    assert record["image"].bytes_list.value[0] == b""


def test_what_is_wrong_in_a_coco_folder_is_named_after_ingestion(captioned, tmp_path):
    """Two images that are missing and a caption that is no text, from the folder to the verdict."""
    source = Source(folder=str(captioned))
    spec = datasets.resolve("coco_folder", source)
    examples = standard_artifacts.Examples()
    examples.uri = str(tmp_path / "examples")
    Executor(
        Executor.Context(beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"])
    ).Do(
        {},
        {"examples": [examples]},
        {
            "dataset": "coco_folder",
            "source": json.dumps(dataclasses.asdict(source)),
            "splits": json.dumps({"train": "train", "eval": "val"}),
            "data_dir": str(tmp_path / "data"),
            "num_shards": 1,
        },
    )
    files = sorted(str(file) for file in (tmp_path / "examples").glob("Split-*/*"))
    payloads = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
    verdicts = {j.identity[12:]: j for j in (judge(spec, payload) for payload in payloads)}
    assert {
        identity: [f"{p.kind} {p.feature} {p.what}" for p in j.problems]
        for identity, j in verdicts.items()
    } == {
        "train/7": [],
        "train/8": ["corrupt image missing"],
        "train/99": ["corrupt image missing"],
        "val/1": ["corrupt captions with a caption that is not UTF-8"],
    }


@pytest.mark.parametrize("name", ["image_folder", "coco_folder"])
def test_unusable_folders_are_refused(name, tmp_path):
    with pytest.raises(UserError, match=r"is your own folder: name it as data.folder"):
        datasets.resolve(name, Source())
    with pytest.raises(UserError, match=r"there is no folder '.*nowhere'"):
        datasets.resolve(name, Source(folder=str(tmp_path / "nowhere")))
    with pytest.raises(UserError, match="holds no files"):
        datasets.resolve(name, Source(folder=str(tmp_path)))
    (tmp_path / "stray.png").write_bytes(picture("red"))
    with pytest.raises(
        UserError, match=r"not in a subfolder split/label/|no captions_<split>.json"
    ):
        datasets.resolve(name, Source(folder=str(tmp_path)))


@pytest.mark.parametrize("content", ["{", "[]", '{"images": [{}]}', '{"images": []}'])
def test_a_json_of_another_kind_is_refused(content, tmp_path):
    (tmp_path / "captions_train.json").write_text(content)
    with pytest.raises(UserError, match=r"captions_train.json' is not in COCO's caption format"):
        datasets.resolve("coco_folder", Source(folder=str(tmp_path)))


@pytest.fixture
def forbidden():
    """A folder that nobody may read; root gives its rights up for a while, since it may always."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o700)
    folder.rmdir()


def test_a_folder_without_permission_is_named(forbidden):
    with pytest.raises(UserError, match=rf"'{forbidden}' cannot be read \(Permission denied\)"):
        datasets.resolve("image_folder", Source(folder=str(forbidden)))


def test_prepared_data_without_permission_are_named(forbidden):
    with pytest.raises(UserError, match=rf"no permission to read {forbidden}"):
        prepare(datasets.get("mnist"), forbidden, download=False)
