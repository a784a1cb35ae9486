"""The data check on small artifacts: each corruption, each kind of anomaly, what stops a run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import standard_artifacts

from components.data_check.component import DataReport
from components.data_check.executor import Executor
from components.data_check.settings import Checks
from trainer.errors import UserError

BEAM_ARGS = ["--runner=FnApiRunner", "--sdk_container_image=none"]
TWO_PROCESSES = ["--direct_running_mode=multi_processing", "--direct_num_workers=2"]
COUNT = {"train": 300, "eval": 100}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def record(
    identity: str, image: bytes, label: int | None, captions: list[bytes]
) -> tf.train.Example:
    example = tf.train.Example()
    feature = example.features.feature
    feature["id"].bytes_list.value.append(identity.encode())
    feature["image"].bytes_list.value.append(image)
    if label is not None:
        feature["label"].int64_list.value.append(label)
    if captions:
        feature["captions"].bytes_list.value.extend(captions)
    return example


def digits(split: str, seed: int = 0, brightness: int = 0) -> list[tf.train.Example]:
    """Random pictures with labels 0 to 9 in turn."""
    rng = np.random.default_rng([seed, len(split)])
    return [
        record(
            f"{split}/{number:04d}",
            png(rng.integers(0, 156, (28, 28)) + brightness),
            number % 10,
            [],
        )
        for number in range(COUNT[split])
    ]


def captioned(split: str, words: str = "one two three four five six") -> list[tf.train.Example]:
    rng = np.random.default_rng(len(split))
    return [
        record(
            f"{split}/{number:04d}",
            png(rng.integers(0, 255, (8, 8, 3))),
            None,
            [" ".join(rng.choice(words.split(), 5)).encode() for _ in range(5)],
        )
        for number in range(COUNT[split])
    ]


class Checked:
    """One data check after another on artifacts in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.runs = root, 0

    def __call__(
        self, splits: dict[str, list[tf.train.Example]], dataset: str = "digits", **checks
    ) -> dict:
        """Write `splits` as an artifact in three shards each, check it, return the report."""
        self.runs += 1
        here = self.root / str(self.runs)
        examples, checked = standard_artifacts.Examples(), standard_artifacts.Examples()
        anomalies, report = standard_artifacts.ExampleAnomalies(), DataReport()
        artifacts = (examples, checked, anomalies, report)
        for name, artifact in zip(
            ("examples", "checked", "anomalies", "report"), artifacts, strict=True
        ):
            artifact.uri = str(here / name)
        anomalies.split_names = examples.split_names = json.dumps(list(splits))
        manifest = {"dataset": dataset, "version": "1.0.0", "fingerprint": "00", "splits": {}}
        for split, records in splits.items():
            folder = here / "examples" / f"Split-{split}"
            folder.mkdir(parents=True)
            for shard in range(3):
                path = str(folder / f"data_tfrecord-0000{shard}-of-00003.gz")
                with tf.io.TFRecordWriter(path, "GZIP") as writer:
                    for example in records[shard::3]:
                        writer.write(example.SerializeToString())
            manifest["splits"][split] = {"records": len(records)}
            found = here / "anomalies" / f"Split-{split}"
            found.mkdir(parents=True)
            (found / "SchemaDiff.pb").write_bytes(anomalies_pb2.Anomalies().SerializeToString())
        (here / "examples" / "manifest.json").write_text(json.dumps(manifest))
        Executor(Executor.Context(beam_pipeline_args=BEAM_ARGS)).Do(
            {"examples": [examples], "anomalies": [anomalies]},
            {"checked": [checked], "report": [report]},
            {
                "dataset": dataset,
                "source": "{}",
                "checks": Checks(**checks).model_dump_json(),
                "state_dir": str(self.root / "state"),
            },
        )
        return json.loads((here / "report" / "report.json").read_text())

    def ids(self, split: str) -> list[str]:
        """Ids that the last check passed on."""
        folder = self.root / str(self.runs) / "checked" / f"Split-{split}"
        files = sorted(str(path) for path in folder.iterdir())
        payloads = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        examples = (tf.train.Example.FromString(payload) for payload in payloads)
        return sorted(e.features.feature["id"].bytes_list.value[0].decode() for e in examples)


@pytest.fixture
def check(tmp_path) -> Checked:
    return Checked(tmp_path)


def spoil(example: tf.train.Example, how: str) -> tf.train.Example:
    """Damage an example in one of the ways that must be found."""
    feature = example.features.feature
    image = feature["image"].bytes_list.value
    picture = Image.open(io.BytesIO(image[0]))
    if how == "truncated PNG":
        image[0] = image[0][: len(image[0]) // 2]
    elif how == "truncated JPEG":
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG")
        image[0] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    elif how == "channels":
        image[0] = png(np.zeros((28, 28, 3)))
    elif how == "label":
        feature["label"].int64_list.value[0] = 10
    elif how == "empty file":
        image[0] = b""
    return example


WRONG = {
    "truncated PNG": "image (train): 1 of 300 not decodable as PNG or JPEG",
    "truncated JPEG": "image (train): 1 of 300 not decodable as PNG or JPEG",
    "channels": "image (train): 1 of 300 with 3 instead of 1 channels",
    "label": "label (train): 1 of 300 outside [0, 9]",
    "empty file": "image (train): 1 of 300 missing",
}


@pytest.mark.parametrize("how", WRONG)
def test_a_corrupt_record_stops_the_run_by_default(how, check):
    train = digits("train")
    spoil(train[7], how)
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": digits("eval")})
    assert f"{WRONG[how]}, for example train/0007" in str(caught.value)
    aside = check.root / "state" / "rejected-digits" / "quarantine" / "Split-train"
    (listed,) = aside.glob("*.jsonl")
    assert [json.loads(line)["id"] for line in listed.read_text().splitlines()] == ["train/0007"]


def test_a_tolerated_share_is_set_aside_and_counted(check):
    train = digits("train")
    for number, how in ((7, "label"), (8, "channels"), (200, "truncated PNG")):
        spoil(train[number], how)
    report = check({"train": train, "eval": digits("eval")}, corrupt_share=0.01)
    assert report["records"] == {"train": 300, "eval": 100}
    assert report["corrupt"] == {"train": 3, "eval": 0}
    assert [(a["kind"], a["example"], a["stops"]) for a in report["anomalies"]] == [
        ("corrupt", "train/0200", False),
        ("corrupt", "train/0008", False),
        ("corrupt", "train/0007", False),
    ]
    bad = {"train/0007", "train/0008", "train/0200"}
    assert check.ids("train") == sorted({f"train/{n:04d}" for n in range(300)} - bad)
    assert len(check.ids("eval")) == 100
    aside = check.root / "1" / "report" / "quarantine" / "Split-train"
    lines = [json.loads(x) for file in aside.glob("*.jsonl") for x in file.read_text().splitlines()]
    assert {line["id"] for line in lines} == bad
    kept = [
        raw
        for file in aside.glob("*.gz")
        for raw in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
    ]
    assert sorted(kept) == sorted(train[n].SerializeToString() for n in (7, 8, 200))
    manifest = json.loads((check.root / "1" / "checked" / "manifest.json").read_text())
    assert (manifest["splits"]["train"]["records"], manifest["splits"]["train"]["set_aside"]) == (
        297,
        3,
    )
    assert manifest["fingerprint"] != "00"
    spoil(train[201], "label")
    with pytest.raises(UserError, match=r"label \(train\): 2 of 300 outside"):
        check({"train": train, "eval": digits("eval")}, corrupt_share=0.01)


def test_captions_that_break_their_bounds(check):
    train, evaluated = captioned("train"), captioned("eval")
    train[3].features.feature["captions"].bytes_list.value[2] = b""
    train[4].features.feature["captions"].bytes_list.value[2] = b"\xff\xfe"
    del train[5].features.feature["captions"].bytes_list.value[1:]
    train[6].features.feature["captions"].bytes_list.value[0] = b"word " * 61
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": evaluated}, "coco_captions")
    for line in (
        "1 of 300 with a caption that is not UTF-8, for example train/0004",
        "1 of 300 with a caption not of 3 to 60 words, for example train/0006",
        "1 of 300 with a number of captions that is not 5 to 8, for example train/0005",
        "1 of 300 with an empty caption, for example train/0003",
    ):
        assert f"captions (train): {line}" in str(caught.value)
    report = check(
        {"train": train, "eval": evaluated},
        "coco_captions",
        corrupt_share=0.01,
        stop_on=["corrupt", "schema"],
    )
    assert [a["stops"] for a in report["anomalies"]] == [False] * 4
    assert report["corrupt"] == {"train": 1, "eval": 0}
    assert "train/0004" not in check.ids("train")
    assert "train/0003" in check.ids("train")


def test_the_same_picture_in_two_splits(check):
    train, evaluated = digits("train"), digits("eval")
    twin = Image.open(io.BytesIO(train[11].features.feature["image"].bytes_list.value[0]))
    again = io.BytesIO()
    twin.save(again, format="PNG", compress_level=1)
    evaluated[5].features.feature["image"].bytes_list.value[0] = again.getvalue()
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": evaluated})
    assert (
        "image (eval): 1 of 100 also in split train, as train/0011 there, for example eval/0005"
        in str(caught.value)
    )
    report = check({"train": train, "eval": evaluated}, duplicate_share=0.01)
    (anomaly,) = report["anomalies"]
    assert (anomaly["kind"], anomaly["tolerated"], anomaly["stops"]) == ("duplicates", True, False)


def test_a_class_that_is_nearly_absent(check):
    train = digits("train")
    for number, example in enumerate(train):
        if number % 10 == 4 and number > 20:
            example.features.feature["label"].int64_list.value[0] = 5
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": digits("eval")}, stop_on=["balance"])
    assert (
        "label (train): 2 of 300 of class 4 ('4'), more than 10 times rarer than class 5 with 58, "
        "for example train/0004"
    ) in str(caught.value)
    report = check({"train": train, "eval": digits("eval")}, stop_on=["corrupt"], class_ratio=30)
    assert "balance" not in {a["kind"] for a in report["anomalies"]}


def test_drift_is_measured_from_what_was_last_accepted(check):
    first = check({"train": digits("train"), "eval": digits("eval")})
    assert first["compared_with_accepted"] is False
    again = check({"train": digits("train", seed=1), "eval": digits("eval", seed=1)})
    assert again["compared_with_accepted"] is True
    assert again["anomalies"] == []

    brighter = {"train": digits("train", 2, 60), "eval": digits("eval", 2, 60)}
    with pytest.raises(UserError) as caught:
        check(brighter)
    assert "image (train): 300 of 300 with a pixel mean of 137." in str(caught.value)
    assert "of the data last accepted, for example train/" in str(caught.value)
    # Refused data do not become what later data are compared with.
    with pytest.raises(UserError, match="with a pixel mean of 137"):
        check(brighter)
    report = check(brighter, stop_on=["corrupt", "schema"])
    assert {a["kind"] for a in report["anomalies"]} == {"drift"}
    assert check(brighter)["anomalies"] == []


def test_drift_of_labels_and_contrast(check):
    check({"train": digits("train"), "eval": digits("eval")})
    train = digits("train", 1)
    for number, example in enumerate(train):
        feature = example.features.feature
        if number % 2:
            feature["label"].int64_list.value[0] = 3
        flat = np.full((28, 28), 77 + number % 2)
        flat[0, 0] = number % 156
        flat[0, 1] = number // 156
        feature["image"].bytes_list.value[0] = png(flat)
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": digits("eval", 1)}, stop_on=["drift"])
    lines = str(caught.value)
    assert (
        "label (train): 150 of 300 of class 3, a share of 0.500 against 0.100 of the data" in lines
    )
    assert "image (train): 300 of 300 with a pixel variance of" in lines
    assert "pixel mean" not in lines


def test_skew_and_drift_of_captions(check):
    check({"train": captioned("train"), "eval": captioned("eval")}, "coco_captions")
    other = captioned("eval", "seven eight nine ten")
    with pytest.raises(UserError) as caught:
        check({"train": captioned("train"), "eval": other}, "coco_captions")
    lines = str(caught.value)
    assert "with new words (100.0% of all, such as '" in lines
    assert "against the vocabulary of split train, for example eval/" in lines
    assert "against the vocabulary of the data last accepted, for example eval/" in lines
    longer = captioned("train", "one-two-three-four two-three-four-five-six")
    with pytest.raises(
        UserError, match=r"captions \(train\): 300 of 300 with a mean caption length"
    ):
        check({"train": longer, "eval": captioned("eval")}, "coco_captions", stop_on=["drift"])


def test_an_unknown_kind_is_refused():
    from pipeline import config

    with pytest.raises(UserError, match=r"checks.stop_on.0' is 'drfit'"):
        config.load("digits_cgan", ["checks.stop_on=[drfit]"])


def test_skew_of_labels_pixels_and_caption_length(check):
    """Splits that differ at the same moment, each difference with an example of it."""
    evaluated = digits("eval", 0, 60)
    for number, example in enumerate(evaluated):
        example.features.feature["label"].int64_list.value[0] = 3 if number % 2 else number % 10
    with pytest.raises(UserError) as caught:
        check({"train": digits("train"), "eval": evaluated}, stop_on=["skew"])
    lines = str(caught.value)
    assert "label (eval): 50 of 100 of class 3, a share of 0.500 against 0.100 of split" in lines
    assert "image (eval): 100 of 100 with a pixel mean of 137." in lines
    assert lines.count("of split train, for example eval/") == 2

    flat = digits("eval")
    for number, example in enumerate(flat):
        grey = np.full((28, 28), 77)
        grey[0, 0] = number
        example.features.feature["image"].bytes_list.value[0] = png(grey)
    with pytest.raises(UserError) as caught:
        check({"train": digits("train"), "eval": flat}, stop_on=["skew"])
    assert "image (eval): 100 of 100 with a pixel variance of " in str(caught.value)
    assert "of split train, for example eval/0000" in str(caught.value)

    longer = captioned("eval")
    for example in longer:
        texts = example.features.feature["captions"].bytes_list.value
        texts[:] = [text + b" one two three" for text in texts]
    with pytest.raises(UserError) as caught:
        check({"train": captioned("train"), "eval": longer}, "coco_captions", stop_on=["skew"])
    assert (
        "captions (eval): 100 of 100 with a mean caption length of 8.0 words against 5.0 of split "
        "train, for example eval/0000"
    ) in str(caught.value)


def test_a_class_that_vanished_is_shown_by_an_earlier_example(check):
    check({"train": digits("train"), "eval": digits("eval")})
    train = digits("train", 1)
    for example in train:
        if example.features.feature["label"].int64_list.value[0] == 4:
            example.features.feature["label"].int64_list.value[0] = 5
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": digits("eval", 1)}, label_distance=0.01)
    lines = str(caught.value)
    assert "label (train): 0 of 300 of class 4 ('4'), more than 10 times rarer than" in lines
    every = lines.partition("; the report")[0].split("; ")
    assert all(", for example " in line and line[-4:].isdigit() for line in every), every


def test_an_empty_split_stops_the_run(check):
    with pytest.raises(UserError, match=r"record \(eval\): 0 of 0 records: the split is empty"):
        check({"train": digits("train"), "eval": []})


def test_features_that_nobody_reviewed_and_an_id_that_is_missing(check):
    train = digits("train")
    train[9].features.feature["weight"].float_list.value.append(1.0)
    del train[10].features.feature["id"]
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": digits("eval")})
    lines = str(caught.value)
    # 300 examples lie in three files in turn: the eleventh is the fourth of the second file.
    assert "id (train): 1 of 300 missing, for example data_tfrecord-00001-of-00003.gz#3" in lines
    assert (
        "weight (train): 1 of 300 with a feature that the reviewed schema does not have, for "
        "example train/0009"
    ) in lines


def test_what_only_the_validator_found_names_an_example(check, monkeypatch):
    found = {("eval", "label"): "Skewed: too far"}
    monkeypatch.setattr("components.data_check.executor._read_anomalies", lambda artifact: found)
    with pytest.raises(UserError) as caught:
        check({"train": digits("train"), "eval": digits("eval")})
    assert "label (eval): 100 of 100 Skewed: too far, for example eval/0000" in str(caught.value)


@pytest.mark.slow
def test_several_worker_processes_find_the_same(check, monkeypatch):
    """Corrupt records, twins, skew: report, quarantine and checked bytes do not depend on it."""
    train, evaluated = digits("train"), digits("eval", 0, 60)
    for number, how in ((7, "label"), (8, "channels"), (200, "truncated PNG")):
        spoil(train[number], how)
    for number in (5, 6):
        evaluated[number] = train[number + 10]
    splits = {"train": train, "eval": evaluated}
    found = []
    for options in (BEAM_ARGS, [*BEAM_ARGS, *TWO_PROCESSES]):
        monkeypatch.setitem(globals(), "BEAM_ARGS", options)
        report = check(splits, corrupt_share=0.01, stop_on=["corrupt"])
        here = check.root / str(check.runs)
        report.pop("compared_with_accepted")
        report["anomalies"] = [a for a in report["anomalies"] if a["kind"] != "drift"]
        files = [p for p in here.rglob("*") if p.is_file() and p.name != "report.json"]
        found.append((report, {str(p.relative_to(here)): p.read_bytes() for p in sorted(files)}))
    kinds = {anomaly["kind"] for anomaly in found[0][0]["anomalies"]}
    assert kinds == {"corrupt", "duplicates", "skew"}
    assert found[0] == found[1]


def test_sentences_that_repeat_their_images_words_are_no_drift(check):
    """Twelve images of twelve things each: that eval shows others is what train lets expect."""

    def things(split: str) -> list[tf.train.Example]:
        examples = captioned(split)[:12]
        for number, example in enumerate(examples):
            own = f"a {split}{number}thing on the {split}{number}place".encode()
            example.features.feature["captions"].bytes_list.value[:] = [own] * 5
        return examples

    report = check({"train": things("train"), "eval": things("eval")}, "coco_captions")
    assert report["anomalies"] == []
