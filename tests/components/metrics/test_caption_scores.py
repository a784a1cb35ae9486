"""Caption scores against the COCO evaluation's own figures, values by hand, and known frauds.

The figures of `COCO` are what pycocoevalcap 1.2 (Bleu(4), Rouge(), Cider()) gives for the same
words; where that package is installed they are computed anew.
"""

import math

import numpy as np
import pytest

from components import metrics
from components.datasets.scene_world import Scene, Shape
from components.metrics.caption_cider import Cider
from components.metrics.caption_evidence import CaptionEvidence, Losses
from components.metrics.caption_ngrams import bleu, counts
from components.metrics.caption_rouge import common_length, rouge
from components.metrics.caption_score import score_captions
from components.metrics.errors import over_rows

REFERENCES = (
    ("a man rides a brown horse", "a person on a horse in a field", "man riding horse"),
    ("two dogs play with a red ball", "dogs playing in the grass with a ball"),
    ("a red bus on a city street", "a bus drives down the street", "bus", "a big red bus"),
    ("a plate of food on a table", "a table with a plate of food and a glass of wine"),
)
CAPTIONS = {
    "mixed": (
        "a man on a brown horse in a field",
        "dogs play with a ball",
        "the bus bus bus",
        "a cat sleeping on a couch",
    ),
    "short": ("a man", "two dogs", "bus", "food"),
    "constant": ("a man on a table with a horse",) * 4,
    "copies": tuple(texts[0] for texts in REFERENCES),
}
NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d")
COCO = {
    "mixed": (
        0.7283684948541834,
        0.6340968532114616,
        0.5176669264087927,
        0.3819022348927758,
        0.6362826336162289,
        1.775759671598801,
    ),
    "short": (
        0.13533528319150098,
        0.1353352831689451,
        0.001353352831839824,
        0.000135335283191501,
        0.5207091832433308,
        1.055854982810169,
    ),
    "constant": (
        0.5312499999833985,
        0.41322987375066905,
        0.27739447793945826,
        0.1807448199960409,
        0.45028505786249146,
        0.8563158180330176,
    ),
    "copies": (
        0.9999999999259259,
        0.9999999999227053,
        0.9999999999185807,
        0.9999999999130096,
        1.0,
        4.913282399515683,
    ),
}


def evidence(captions, references=REFERENCES, **more):
    return CaptionEvidence(tuple(captions), tuple(references), **more)


@pytest.mark.parametrize("kind", COCO)
def test_figures_of_the_coco_evaluation(kind):
    found = score_captions(evidence(CAPTIONS[kind]))
    np.testing.assert_allclose([found[n].value for n in NAMES], COCO[kind], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", CAPTIONS)
def test_figures_equal_a_live_coco_evaluation(kind):
    bleu_module = pytest.importorskip(
        "pycocoevalcap.bleu.bleu", reason="pycocoevalcap is not installed: its figures stand above"
    )
    from pycocoevalcap.cider.cider import Cider as TheirCider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = {row: list(texts) for row, texts in enumerate(REFERENCES)}
    said = {row: [text] for row, text in enumerate(CAPTIONS[kind])}
    theirs = [*bleu_module.Bleu(4).compute_score(truth, said, verbose=0)[0]]
    theirs += [scorer.compute_score(truth, said)[0] for scorer in (Rouge(), TheirCider())]
    found = score_captions(evidence(CAPTIONS[kind]))
    np.testing.assert_allclose([found[n].value for n in NAMES], theirs, rtol=1e-9, atol=1e-12)


def test_bleu_by_hand():
    # Clipping (Papineni et al., 2002, section 2.1): seven times "the" against at most two.
    references = ("the cat is on the mat", "there is a cat on the mat")
    found = counts("the the the the the the the", references)
    assert found.tolist() == [7, 7, 2, 0, 0, 0, 7, 6, 5, 4]
    assert bleu(found, 1) == pytest.approx(2 / 7)
    # Two words of six: brevity penalty exp(1 - 6 / 2), all n-grams found.
    assert bleu(counts("the cat", references[:1]), 2) == pytest.approx(math.exp(-2))


def test_of_two_references_equally_near_in_length_the_shorter_counts():
    assert counts("a b c", ("a b", "a b c d"))[1] == 2


def test_rouge_by_hand():
    assert common_length(["a", "b", "c", "d"], ["a", "x", "c", "d", "y"]) == 3
    # Best precision 3/4 and best recall 2/2 come from different references.
    p, r = 3 / 4, 1.0
    expected = (1 + 1.44) * p * r / (r + 1.44 * p)
    assert rouge("a b c d", ("a x c d y", "b c")) == pytest.approx(expected)
    assert rouge("", ("a",)) == rouge("z", ("a b",)) == 0.0


def test_cider_of_one_image_is_zero_and_identity_of_one_reference_each_is_ten():
    assert score_captions(evidence(["a b c d"], [["a b c d"]]))["cider_d"].value == 0.0
    texts = ["a b c d", "e f g h"]
    found = score_captions(evidence(texts, [[text] for text in texts]))
    assert found["cider_d"].value == pytest.approx(10.0)


def test_cider_pays_for_length_by_a_gaussian():
    scorer = Cider([["a b c d"], ["e f g h"]])
    right = scorer.weigh("a b c d")
    # Repeating adds n-grams to the norm and four words to the length; matches are clipped.
    assert scorer("a b c d", [right]) == pytest.approx(10.0)
    assert 0 < scorer("a b c d a b c d", [right]) < 10.0 * math.exp(-(4**2) / 72)


def test_variety_by_hand():
    found = score_captions(
        evidence(["a b a", "a b", "c", "c"], [["x"]] * 4, train=frozenset(["c", "d"]))
    )
    assert found["distinct_1"].value == 3 / 7
    assert found["distinct_2"].value == 2 / 3
    assert found["novel_share"].value == 0.5
    assert "novel_share" not in score_captions(evidence(["a"], [["a"]]))


def test_losses_by_hand():
    losses = Losses(
        right=np.array([10.0, 30.0]),
        words=np.array([10, 10]),
        paired=np.array([4.0, 6.0]),
        foreign=np.array([9.0, 16.0]),
        paired_words=np.array([5, 5]),
    )
    found = score_captions(evidence(["a", "b"], [["a"], ["b"]], losses=losses))
    assert found["token_loss"].value == 2.0
    assert found["token_loss"].error == pytest.approx(1.0)  # images alone give 1 and 3
    assert found["perplexity"].value == pytest.approx(math.exp(2))
    assert found["image_dependence"].value == -1.5
    assert found["image_dependence"].error == pytest.approx(0.5)  # images alone: -1 and -2
    assert not {"token_loss", "image_dependence"} & set(score_captions(evidence(["a"], [["a"]])))


SCENE = Scene(
    (
        Shape(0, 0, "circle", "red", "small", 11, 11),
        Shape(1, 2, "square", "blue", "large", 53, 32),
    ),
    40,
).to_json()


@pytest.mark.parametrize(
    ("caption", "right", "stated"),
    [
        ("a red circle", 1, 1),
        ("a green circle", 0, 1),
        ("there are two shapes", 1, 1),
        ("a red circle at the top left", 2, 2),
        ("a red circle is right of a blue square", 2, 3),
        ("a red circle and a green star", 1, 3),
        ("the circle be red", 0, 1),  # unreadable: one false fact
    ],
)
def test_facts_by_hand(caption, right, stated):
    given = evidence([caption], [["x"]], raw=(caption,), facts=(SCENE,))
    assert metrics.get("true_facts")(given).value == pytest.approx(right / stated)


def test_facts_are_told_apart_and_added_up_over_images():
    texts = ("a red circle is right of a square", "there are two circles", "what")
    found = score_captions(evidence(texts, [["x"]] * 3, raw=texts, facts=(SCENE,) * 3))
    assert found["true_facts"].value == pytest.approx(2 / 5)
    assert found["true_objects"].value == pytest.approx(2 / 3)
    assert found["true_colours"].value == pytest.approx(1 / 2)
    assert found["true_relations"].value == 0.0
    nothing = score_captions(evidence(["what"], [["x"]], raw=("what",), facts=(SCENE,)))
    assert nothing["true_facts"].value == 0.0 and "true_colours" not in nothing
    assert "true_facts" not in score_captions(evidence(["a"], [["a"]], raw=("a",), facts=(None,)))


def test_the_error_is_the_spread_over_other_images():
    rng = np.random.default_rng(0)
    draws = rng.exponential(size=(400, 100))
    scores = [over_rows(lambda rows, v=v: float(v[rows].mean()), 100) for v in draws]
    spread = np.std([score.value for score in scores])
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.1)


def test_the_table_separates_the_tasks():
    captions, images = metrics.of_task("caption"), metrics.of_task("image")
    assert "fid" in images and "cider_d" in captions and not set(captions) & set(images)
    assert [*images, *captions, *metrics.of_task("value")] == list(metrics.METRICS)
    assert metrics.METRICS["image_dependence"].better == "lower"
    assert metrics.base_name("bleu_4") == "bleu_4"
