"""The exported captioner, answered by a fresh process and by its own signatures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainer.preprocessing import SPECIAL
from trainer.run_fn import run_fn

STEPS = 120


@pytest.fixture(scope="module", params=["transformer", "attention_gru"])
def folder(request, tmp_path_factory, make_fn_args) -> str:
    """A captioner that has learned the three colours."""
    args = make_fn_args(
        tmp_path_factory.mktemp(request.param), family=request.param, steps=STEPS,
        sheet_every=STEPS, checkpoint_every=STEPS, validate_every=STEPS, steps_per_call=STEPS,
    )  # fmt: skip
    run_fn(args)
    return args.serving_model_dir


@pytest.fixture(scope="module")
def model(folder):
    loaded = tf.saved_model.load(folder)
    return loaded, loaded.signatures


@pytest.fixture(scope="module")
def photos(colour_items):
    items = colour_items(200, 7)
    return tf.constant([image for _, image, _ in items]), [captions for *_, captions in items]


def test_every_caption_names_the_colour(model, photos) -> None:
    _, signatures = model
    images, _ = photos
    said = signatures["caption"](image_bytes=images)["caption"].numpy().tolist()
    colours = ["red", "green", "blue"]
    right = [colours[n % 3] in text.decode().split() for n, text in enumerate(said)]
    assert np.mean(right) > 0.95


def test_a_fresh_process_says_the_same(folder, model, photos) -> None:
    images = photos[0][:4]
    program = (
        "import sys, json, base64, tensorflow as tf\n"
        "given = [base64.b64decode(x) for x in json.loads(sys.stdin.read())]\n"
        "caption = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "said = caption(image_bytes=tf.constant(given))\n"
        "print(json.dumps([[t.decode() for t in said['caption'].numpy().tolist()],"
        "said['log_prob'].numpy().tolist()]))\n"
    )
    import base64

    text = json.dumps([base64.b64encode(image).decode() for image in images.numpy().tolist()])
    done = subprocess.run(
        [sys.executable, "-c", program, folder], input=text, capture_output=True, text=True,
        check=True, cwd="/",
    )  # fmt: skip
    captions, log_probs = json.loads(done.stdout.splitlines()[-1])
    here = model[1]["caption"](image_bytes=images)
    assert captions == [text.decode() for text in here["caption"].numpy().tolist()]
    np.testing.assert_allclose(log_probs, here["log_prob"], rtol=1e-5)


def test_the_loader_of_tensorflow_serving_says_the_same(folder, model, photos) -> None:
    """It runs the restore and the table's initialiser and asks by tensor name."""
    images = photos[0][:4]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        definition = tf.compat.v1.saved_model.load(session, ["serve"], folder)
        score = definition.signature_def["score"]
        fed = {score.inputs["image_bytes"].name: images.numpy()}
        fed[score.inputs["caption"].name] = [b"a red picture"] * 4
        losses = session.run(score.outputs["loss"].name, fed)
    wanted = model[1]["score"](image_bytes=images, caption=tf.constant(["a red picture"] * 4))
    np.testing.assert_allclose(losses, wanted["loss"], rtol=1e-5)


def test_a_beam_of_five_is_never_below_greedy_and_scores_agree(model, photos) -> None:
    images, signatures = photos[0], model[1]
    beam, greedy = (signatures[n](image_bytes=images) for n in ("caption", "caption_greedy"))
    assert (beam["log_prob"].numpy() >= greedy["log_prob"].numpy() - 1e-5).all()
    for said in (beam, greedy):
        score = signatures["score"](image_bytes=images, caption=said["caption"])
        np.testing.assert_allclose(score["loss"], -said["log_prob"], atol=1e-4)
        words = [len(text.split()) + 1 for text in said["caption"].numpy().tolist()]
        assert score["tokens"].numpy().tolist() == words


def test_a_caption_does_not_depend_on_the_batch_around_it(model, photos) -> None:
    images, caption = photos[0], model[1]["caption"]
    together = caption(image_bytes=images)
    for first, size in ((0, 1), (3, 7), (50, 16)):
        part = caption(image_bytes=images[first : first + size])
        rows = slice(first, first + size)
        assert part["caption"].numpy().tolist() == together["caption"].numpy()[rows].tolist()
        np.testing.assert_allclose(part["log_prob"], together["log_prob"][rows], atol=1e-5)


def test_the_n_best_begin_with_the_caption_and_differ(model, photos) -> None:
    images, signatures = photos[0][:9], model[1]
    best = signatures["caption_nbest"](image_bytes=images)
    assert best["caption"].shape == (9, 3)
    np.testing.assert_array_equal(
        best["caption"][:, 0], signatures["caption"](image_bytes=images)["caption"]
    )
    assert all(len(set(row)) == 3 for row in best["caption"].numpy().tolist())
    assert (np.diff(best["log_prob"].numpy(), axis=1) <= 1e-6).all()


def test_samples_follow_their_seed_and_say_only_words(model, photos, vocabulary) -> None:
    images, sample = photos[0][:60], model[1]["caption_sample"]
    seeds, ones = tf.range(60, dtype=tf.int64), tf.ones([60])
    hot = sample(image_bytes=images, seed=seeds, temperature=ones * 5, top_p=ones)
    again = sample(image_bytes=images, seed=seeds, temperature=ones * 5, top_p=ones)
    assert hot["caption"].numpy().tolist() == again["caption"].numpy().tolist()
    said = {word for text in hot["caption"].numpy().tolist() for word in text.decode().split()}
    assert said <= set(vocabulary) and not said & set(SPECIAL) and len(said) > 4


def test_attention_has_a_map_for_every_word(model, photos) -> None:
    images, signatures = photos[0][:5], model[1]
    found = signatures["attention"](image_bytes=images)
    captions = signatures["caption"](image_bytes=images)["caption"].numpy().tolist()
    words = found["words"].numpy().tolist()
    assert [b" ".join(filter(None, row)) for row in words] == captions
    assert found["attention"].shape == (5, 6, 4, 4)
    sums = found["attention"].numpy().sum(axis=(2, 3))
    np.testing.assert_allclose(sums, [[float(bool(w)) for w in row] for row in words], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "further", "message"),
    [
        ("caption", {}, "image 1 of 2 is neither JPEG"),
        ("attention", {}, "image 1 of 2 is neither JPEG"),
        ("score", {"caption": ["a", "b"]}, "image 1 of 2 is neither JPEG"),
        ("score", {"caption": []}, "image_bytes and caption must have the same length"),
        ("caption_sample", {"temperature": [1.0, 0.0]}, "temperature must be above 0; wrong at"),
        ("caption_sample", {"top_p": [1.5, 1.0]}, "top_p must be above 0 and at most 1"),
        ("caption_sample", {"seed": [1]}, "image_bytes and seed must have the same length"),
    ],
)
def test_bad_requests_say_what_is_wrong_and_the_model_lives_on(
    model, photos, name, further, message
) -> None:
    images, signatures = photos[0], model[1]
    bad = "neither" in message
    inputs = {"image_bytes": tf.stack([images[0], b"text" if bad else images[1]])}
    if name == "caption_sample":
        inputs |= {"seed": tf.constant([1, 2], tf.int64)}
        inputs |= {key: tf.constant([1.0, 1.0]) for key in ("temperature", "top_p")}
    for key, value in further.items():
        kind = {"caption": tf.string, "seed": tf.int64}.get(key, tf.float32)
        inputs[key] = tf.constant(value, kind)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        signatures[name](**inputs)
    assert signatures["caption"](image_bytes=images[:1])["caption"].shape == (1,)


def test_what_travels_with_the_model(folder) -> None:
    extra = Path(folder) / "assets.extra"
    card = (extra / "model_card.md").read_text()
    assert "36 training images" in card and "8 words are known" in card
    assert (extra / "recipe.yaml").read_text() == "name: colours\n"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        for record in tf.data.TFRecordDataset(str(extra / "tf_serving_warmup_requests"))
    ]
    functions = tf.saved_model.load(folder).signatures
    names = {log.model_spec.signature_name for log in logs}
    assert names == set(functions)
    for log in logs:
        inputs = {key: tf.constant(tf.make_ndarray(v)) for key, v in log.inputs.items()}
        functions[log.model_spec.signature_name](**inputs)
