"""The data check on small artifacts: twins, rare classes, splits that differ, data that drift."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainer.errors import UserError


def test_the_same_picture_in_two_splits(check):
    train, evaluated = check.digits("train"), check.digits("eval")
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
    train = check.digits("train")
    for number, example in enumerate(train):
        if number % 10 == 4 and number > 20:
            example.features.feature["label"].int64_list.value[0] = 5
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": check.digits("eval")}, stop_on=["balance"])
    assert (
        "label (train): 2 of 300 of class 4 ('4'), more than 10 times rarer than class 5 with 58, "
        "for example train/0004"
    ) in str(caught.value)
    report = check(
        {"train": train, "eval": check.digits("eval")}, stop_on=["corrupt"], class_ratio=30
    )
    assert "balance" not in {a["kind"] for a in report["anomalies"]}


def test_drift_is_measured_from_what_was_last_accepted(check):
    first = check({"train": check.digits("train"), "eval": check.digits("eval")})
    assert first["compared_with_accepted"] is False
    again = check({"train": check.digits("train", seed=1), "eval": check.digits("eval", seed=1)})
    assert again["compared_with_accepted"] is True
    assert again["anomalies"] == []

    brighter = {"train": check.digits("train", 2, 60), "eval": check.digits("eval", 2, 60)}
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
    check({"train": check.digits("train"), "eval": check.digits("eval")})
    train = check.digits("train", 1)
    for number, example in enumerate(train):
        feature = example.features.feature
        if number % 2:
            feature["label"].int64_list.value[0] = 3
        flat = np.full((28, 28), 77 + number % 2)
        flat[0, 0] = number % 156
        flat[0, 1] = number // 156
        feature["image"].bytes_list.value[0] = check.png(flat)
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": check.digits("eval", 1)}, stop_on=["drift"])
    lines = str(caught.value)
    assert (
        "label (train): 150 of 300 of class 3, a share of 0.500 against 0.100 of the data" in lines
    )
    assert "image (train): 300 of 300 with a pixel variance of" in lines
    assert "pixel mean" not in lines


def test_skew_and_drift_of_captions(check):
    check({"train": check.captioned("train"), "eval": check.captioned("eval")}, "coco_captions")
    other = check.captioned("eval", "seven eight nine ten")
    with pytest.raises(UserError) as caught:
        check({"train": check.captioned("train"), "eval": other}, "coco_captions")
    lines = str(caught.value)
    assert "with new words (100.0% of all, such as '" in lines
    assert "against the vocabulary of split train, for example eval/" in lines
    assert "against the vocabulary of the data last accepted, for example eval/" in lines
    longer = check.captioned("train", "one-two-three-four two-three-four-five-six")
    with pytest.raises(
        UserError, match=r"captions \(train\): 300 of 300 with a mean caption length"
    ):
        check(
            {"train": longer, "eval": check.captioned("eval")}, "coco_captions", stop_on=["drift"]
        )


def test_skew_of_labels_pixels_and_caption_length(check):
    """Splits that differ at the same moment, each difference with an example of it."""
    evaluated = check.digits("eval", 0, 60)
    for number, example in enumerate(evaluated):
        example.features.feature["label"].int64_list.value[0] = 3 if number % 2 else number % 10
    with pytest.raises(UserError) as caught:
        check({"train": check.digits("train"), "eval": evaluated}, stop_on=["skew"])
    lines = str(caught.value)
    assert "label (eval): 50 of 100 of class 3, a share of 0.500 against 0.100 of split" in lines
    assert "image (eval): 100 of 100 with a pixel mean of 137." in lines
    assert lines.count("of split train, for example eval/") == 2

    flat = check.digits("eval")
    for number, example in enumerate(flat):
        grey = np.full((28, 28), 77)
        grey[0, 0] = number
        example.features.feature["image"].bytes_list.value[0] = check.png(grey)
    with pytest.raises(UserError) as caught:
        check({"train": check.digits("train"), "eval": flat}, stop_on=["skew"])
    assert "image (eval): 100 of 100 with a pixel variance of " in str(caught.value)
    assert "of split train, for example eval/0000" in str(caught.value)

    longer = check.captioned("eval")
    for example in longer:
        texts = example.features.feature["captions"].bytes_list.value
        texts[:] = [text + b" one two three" for text in texts]
    with pytest.raises(UserError) as caught:
        check(
            {"train": check.captioned("train"), "eval": longer}, "coco_captions", stop_on=["skew"]
        )
    assert (
        "captions (eval): 100 of 100 with a mean caption length of 8.0 words against 5.0 of split "
        "train, for example eval/0000"
    ) in str(caught.value)


def test_a_class_that_vanished_is_shown_by_an_earlier_example(check):
    check({"train": check.digits("train"), "eval": check.digits("eval")})
    train = check.digits("train", 1)
    for example in train:
        if example.features.feature["label"].int64_list.value[0] == 4:
            example.features.feature["label"].int64_list.value[0] = 5
    with pytest.raises(UserError) as caught:
        check({"train": train, "eval": check.digits("eval", 1)}, label_distance=0.01)
    lines = str(caught.value)
    assert "label (train): 0 of 300 of class 4 ('4'), more than 10 times rarer than" in lines
    every = lines.partition("; the report")[0].split("; ")
    assert all(", for example " in line and line[-4:].isdigit() for line in every), every


def test_sentences_that_repeat_their_images_words_are_no_drift(check):
    """Twelve images of twelve things each: that eval shows others is what train lets expect."""

    def things(split: str) -> list[tf.train.Example]:
        examples = check.captioned(split)[:12]
        for number, example in enumerate(examples):
            own = f"a {split}{number}thing on the {split}{number}place".encode()
            example.features.feature["captions"].bytes_list.value[:] = [own] * 5
        return examples

    report = check({"train": things("train"), "eval": things("eval")}, "coco_captions")
    assert report["anomalies"] == []
