"""The exported SavedModel, reloaded in a fresh process that knows none of our code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from trainer.run_fn import run_fn

PROBE = """
import json, sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
generate = model.signatures["generate"]
ask = lambda seeds, labels: generate(
    seed=tf.constant(seeds, tf.int64), label=tf.constant(labels, tf.int64))["image"].numpy()
seeds, labels = list(range(37)), [i % 2 for i in range(37)]
whole = ask(seeds, labels)
alone = np.concatenate([ask([s], [l]) for s, l in zip(seeds, labels)])
backwards = ask(seeds[::-1], labels[::-1])[::-1]
none = tf.zeros([0], tf.int64)
empty = [list(generate(seed=none, label=none)["image"].shape)]
empty.append(list(model.signatures["generate_png"](seed=none, label=none)["png"].shape))
png = model.signatures["generate_png"](
    seed=tf.constant([5], tf.int64), label=tf.constant([1], tf.int64))["png"].numpy()[0]
errors = []
for seed, label in (([1, 2], [0, 2]), ([1, 2], [0, -1]), ([1, 2], [0])):
    try:
        ask(seed, label)
    except tf.errors.InvalidArgumentError as error:
        errors.append(str(error))
print(json.dumps({
    "signatures": sorted(model.signatures), "dtype": str(whole.dtype), "shape": whole.shape,
    "alone": bool((whole == alone).all()), "backwards": bool((whole == backwards).all()),
    "empty": empty, "distinct": len({image.tobytes() for image in whole}),
    "png": bool((tf.io.decode_png(png).numpy() == whole[5]).all()), "errors": errors,
}))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory, pictures, make_fn_args) -> Path:
    """A model trained for a few steps, as `run_fn` leaves it."""
    args = make_fn_args(tmp_path_factory.mktemp("export"), pictures, steps=5)
    run_fn(args)
    return Path(args.serving_model_dir)


@pytest.fixture(scope="module")
def seen(model: Path) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(model)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_signatures_and_types(seen: dict) -> None:
    assert seen["signatures"] == ["generate", "generate_png", "serving_default"]
    assert (seen["dtype"], seen["shape"]) == ("uint8", [37, 8, 8, 1])


def test_an_image_depends_on_its_seed_and_label_alone(seen: dict) -> None:
    assert seen["alone"] and seen["backwards"]
    assert seen["distinct"] > 30
    assert seen["png"]


def test_an_empty_batch_makes_nothing(seen: dict) -> None:
    assert seen["empty"] == [[0, 8, 8, 1], [0]]


def test_bad_labels_are_refused_by_position(seen: dict) -> None:
    outside, negative, shorter = seen["errors"]
    assert "label must be in [0, 1]; wrong at:" in outside and "[1]" in outside
    assert "label must be in [0, 1]" in negative
    assert "seed and label must have the same length" in shorter


def test_the_loader_of_tensorflow_serving_restores_what_the_functions_read(model: Path) -> None:
    """It runs the restore operation and asks by tensor name; `tf.saved_model.load` does not."""
    asked = {"seed": np.arange(3), "label": np.array([0, 1, 1])}
    tensors = {name: tf.constant(values, tf.int64) for name, values in asked.items()}
    wanted = tf.saved_model.load(str(model)).signatures["generate"](**tensors)["image"].numpy()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        definition = tf.compat.v1.saved_model.load(session, ["serve"], str(model))
        generate = definition.signature_def["generate"]
        fed = {generate.inputs[name].name: values for name, values in asked.items()}
        image = session.run(generate.outputs["image"].name, fed)
    np.testing.assert_array_equal(image, wanted)


def test_warm_up_requests_name_real_signatures(model: Path, seen: dict) -> None:
    path = model / "assets.extra" / "tf_serving_warmup_requests"
    asked = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.signature_name in seen["signatures"]
        asked.append(tf.make_ndarray(request.inputs["seed"]).shape[0])
        np.testing.assert_array_equal(tf.make_ndarray(request.inputs["label"]), [0] * asked[-1])
    assert asked == [1, 8] * 3


def test_card_and_recipe_travel_along(model: Path) -> None:
    card = (model / "assets.extra" / "model_card.md").read_text()
    assert "cgan on halves" in card and "40 training images" in card
    assert (model / "assets.extra" / "recipe.yaml").read_text() == "name: halves\n"
