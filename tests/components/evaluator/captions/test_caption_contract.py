"""What the evaluator refuses to score of a captioner, and the words it finds for it."""

import numpy as np
import pytest
import tensorflow as tf

from components.evaluator.captions.contract import Captioner, probe
from components.evaluator.contract import ContractError

ALL = ("caption", "score", "attention")


@pytest.fixture(scope="module")
def look(scenes):
    """Load a captioner, probe it with four images and score their captions."""
    rows = scenes["eval"][:4]
    ids, images = [row[0] for row in rows], [row[1] for row in rows]

    def call(folder):
        captioner = Captioner(folder)
        probe(captioner, ids, images)
        captioner.score(ids, images, [row[2][1] for row in rows])
        if captioner.attends:
            captioner.attention(ids, images)
        return captioner

    return call


def test_a_good_captioner_passes(look, knowing, blind, scenes):
    captioner = look(knowing)
    assert captioner.attends and not look(blind).attends
    (name, image, captions, _), *_ = scenes["eval"]
    texts, log_probs = captioner.caption([name], [image])
    assert texts == captions[:1] and log_probs[0] == -0.25 * len(captions[0])
    losses, tokens = captioner.score([name] * 2, [image] * 2, [captions[1], "a red herring"])
    assert tokens.tolist() == [len(captions[1].split()) + 1, 4]
    assert losses.tolist() == [0.5 * tokens[0], 2.0 * 4]
    _, (words, maps) = captioner.attention([scenes["eval"][1][0], name], [b"?", image])
    assert words == captions[0].split()  # of another length than "a red circle" before it
    assert maps.shape == (len(words), 4, 4) and np.all(maps.reshape(len(words), 16).sum(1) == 1)


def put(signature, **outputs):
    """Replace outputs of one signature by functions of (all outputs, images)."""

    def change(name, found, image_bytes):
        if name != signature:
            return found
        return {**found, **{key: make(found, image_bytes) for key, make in outputs.items()}}

    return change


def rename(signature, old, new):
    def change(name, found, image_bytes):
        if name != signature:
            return found
        return {new if key == old else key: value for key, value in found.items()}

    return change


def first_becomes(value):
    def make(found, images):
        rest = found["caption"][1:]
        return tf.concat([tf.fill([tf.minimum(1, tf.shape(images)[0])], value), rest], 0)

    return make


def of_batch(found, images):
    return found["caption"] + tf.strings.as_string(tf.shape(images)[0])


def not_a_number(found, images):
    return tf.fill(tf.shape(images), float("nan"))


FAULTY = {
    "output 'log_prob' is nan for image scenes/eval/0000": put("caption", log_prob=not_a_number),
    "the caption of image scenes/eval/0000 is empty": put("caption", caption=first_becomes(" . ")),
    "image scenes/eval/0000 holds the token '<unknown>'": put(
        "caption", caption=first_becomes("a <unknown> circle")
    ),
    "gets another caption alone": put("caption", caption=of_batch),
    "'caption' answers 4 images with 'caption' of shape (1,)": put(
        "caption", caption=lambda found, images: found["caption"][:1]
    ),
    "signature 'caption' has no output 'log_prob' (it has: caption, p)": rename(
        "caption", "log_prob", "p"
    ),
    "output 'loss' of signature 'score' is float64; it must be float32": put(
        "score", loss=lambda found, images: tf.cast(found["loss"], tf.float64)
    ),
    "output 'loss' is nan for image scenes/eval/0000": put("score", loss=not_a_number),
    "output 'tokens' is 0 for image scenes/eval/0000": put(
        "score", tokens=lambda found, images: found["tokens"] * 0
    ),
    "output 'attention' is no finite map": put(
        "attention", attention=lambda found, images: found["attention"][:, 1:]
    ),
}


@pytest.mark.parametrize("words", FAULTY)
def test_every_breach_is_named(words, look, answers, export):
    with pytest.raises(ContractError) as caught:
        look(export(*answers, 2.0, change=FAULTY[words], signatures=ALL))
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("have", "missing"), [(("caption",), "score"), (("score",), "caption")])
def test_a_missing_signature_is_named(have, missing, export):
    folder = export({}, [], 1.0, signatures=have)
    with pytest.raises(ContractError, match=f"no signature '{missing}' .it has: {have[0]}."):
        Captioner(folder)


def test_a_generator_and_an_empty_folder_are_no_captioners(tmp_path):
    module = tf.Module()
    module.generate = tf.function(
        lambda seed: {"image": tf.zeros([tf.shape(seed)[0], 8, 8, 1], tf.uint8)},
        input_signature=[tf.TensorSpec([None], tf.int64, "seed")],
    )
    tf.saved_model.save(
        module, str(tmp_path / "generator"), signatures={"generate": module.generate}
    )
    with pytest.raises(ContractError, match=r"no signature 'caption' .it has: generate."):
        Captioner(str(tmp_path / "generator"))
    with pytest.raises(ContractError, match="cannot be loaded"):
        Captioner(str(tmp_path / "gone"))
