"""What people and one sentence for all score on real COCO photographs; skipped without these.

The figures were measured with pycocoevalcap 1.2 and its Java tokenizer on the 79 validation images.
"""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from components.evaluator.captions.examples import Item
from components.evaluator.captions.floors import best_constant, constant, human
from components.metrics.caption_tokens import tokenize

ROOT = Path(__file__).resolve().parents[3]
PREPARED = Path(os.environ.get("GENVISION_TFDS_DIR", ROOT.parent / "shared" / "tfds"))
FOLDER = PREPARED / "coco_captions" / "2014" / "1.1.0"
SENTENCE = "a dog is sitting on top of a white truck"


@pytest.fixture(scope="module")
def coco():
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there; set GENVISION_TFDS_DIR")
    found = {}
    for split in ("train", "val"):
        files = sorted(map(str, FOLDER.glob(f"*-{split}.tfrecord*")))
        found[split] = []
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
            stored = tf.train.Example.FromString(record).features.feature
            texts = stored["captions/text"].bytes_list.value
            found[split].append(tuple(text.decode() for text in texts))
    if len(found["val"]) != 79:
        pytest.skip(f"{FOLDER} holds {len(found['val'])} validation images; figures are of 79")
    return found


@pytest.fixture(scope="module")
def items(coco):
    return [Item(str(row), captions, None) for row, captions in enumerate(coco["val"])]


def test_people_against_each_other(items):
    scores = human(items, frozenset(["x"]))
    found = [scores[n].value for n in ("bleu_1", "bleu_4", "rouge_l", "cider_d")]
    assert found == pytest.approx([0.671, 0.246, 0.515, 1.133], abs=5.1e-4)
    assert scores["cider_d"].error == pytest.approx(0.066, abs=0.015)  # bootstrap over images


def test_one_sentence_for_all(items):
    scores = constant(items, frozenset(), SENTENCE)
    found = [scores[n].value for n in ("bleu_1", "bleu_4", "rouge_l", "cider_d")]
    assert found == pytest.approx([0.437, 0.079, 0.328, 0.105], abs=5.1e-4)


def test_the_best_sentence_is_found_in_the_training_captions(coco):
    train = [tuple(map(tokenize, captions)) for captions in coco["train"]]
    assert best_constant(train) == SENTENCE
