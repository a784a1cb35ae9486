"""The data check on small artifacts: each corruption, what stops a run, what is set aside."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

from trainer.errors import UserError

TWO_PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
WRONG = {
    "truncated PNG": "image (train): 1 of 300 not decodable as PNG or JPEG",
    "truncated JPEG": "image (train): 1 of 300 not decodable as PNG or JPEG",
    "channels": "image (train): 1 of 300 with 3 instead of 1 channels",
    "label": "label (train): 1 of 300 outside [0, 9]",
    "empty file": "image (train): 1 of 300 missing",
}


@pytest.mark.parametrize("how", WRONG)
def test_a_corrupt_record_stops_the_run_by_default(how, check):
    train = check.digits("train")
    check.spoil(train[7], how)
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": check.digits("eval")})
    assert f"{WRONG[how]}, for example train/0007" in str(caught.value)
    aside = check.root / "state" / "rejected-digits" / "quarantine" / "Split-train"
    (listed,) = aside.glob("*.jsonl")
    assert [json.loads(line)["id"] for line in listed.read_text().splitlines()] == ["train/0007"]


def test_a_tolerated_share_is_set_aside_and_counted(check):
    train = check.digits("train")
    for number, how in ((7, "label"), (8, "channels"), (200, "truncated PNG")):
        check.spoil(train[number], how)
    report = check({"train": train, "eval": check.digits("eval")}, corrupt_share=0.01)
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
    check.spoil(train[201], "label")
    with pytest.raises(UserError, match=r"label \(train\): 2 of 300 outside"):
        check({"train": train, "eval": check.digits("eval")}, corrupt_share=0.01)


def test_captions_that_break_their_bounds(check):
    train, evaluated = check.captioned("train"), check.captioned("eval")
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


def test_an_unknown_kind_is_refused():
    from pipeline import config

    with pytest.raises(UserError, match=r"checks.stop_on.0' is 'drfit'"):
        config.load("digits_cgan", ["checks.stop_on=[drfit]"])


def test_an_empty_split_stops_the_run(check):
    with pytest.raises(UserError, match=r"record \(eval\): 0 of 0 records: the split is empty"):
        check({"train": check.digits("train"), "eval": []})


def test_features_that_nobody_reviewed_and_an_id_that_is_missing(check):
    train = check.digits("train")
    train[9].features.feature["weight"].float_list.value.append(1.0)
    del train[10].features.feature["id"]
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": check.digits("eval")})
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
        check({"train": check.digits("train"), "eval": check.digits("eval")})
    assert "label (eval): 100 of 100 Skewed: too far, for example eval/0000" in str(caught.value)


@pytest.mark.slow
def test_several_worker_processes_find_the_same(check):
    """Corrupt records, twins, skew: report, quarantine and checked bytes do not depend on it."""
    train, evaluated = check.digits("train"), check.digits("eval", 0, 60)
    for number, how in ((7, "label"), (8, "channels"), (200, "truncated PNG")):
        check.spoil(train[number], how)
    for number in (5, 6):
        evaluated[number] = train[number + 10]
    splits = {"train": train, "eval": evaluated}
    found = []
    for options in ((), TWO_PROCESSES):
        check.beam_args += options
        report = check(splits, corrupt_share=0.01, stop_on=["corrupt"])
        here = check.root / str(check.runs)
        report.pop("compared_with_accepted")
        report["anomalies"] = [a for a in report["anomalies"] if a["kind"] != "drift"]
        files = [p for p in here.rglob("*") if p.is_file() and p.name != "report.json"]
        found.append((report, {str(p.relative_to(here)): p.read_bytes() for p in sorted(files)}))
    kinds = {anomaly["kind"] for anomaly in found[0][0]["anomalies"]}
    assert kinds == {"corrupt", "duplicates", "skew"}
    assert found[0] == found[1]
