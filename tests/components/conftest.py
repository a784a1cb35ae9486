"""Real digits as an Examples artifact, and small generators that keep or break the contract."""

import functools
import hashlib
import json

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf

from components.metrics.train_extractor import read
from components.reference.measure import measure
from components.reference.settings import ReferenceSettings
from trainer.features import ID, IMAGE, LABEL, MANIFEST

SIZE = (28, 28, 1)
SEED = tf.TensorSpec([None], tf.int64, "seed")
LABELS = tf.TensorSpec([None], tf.int64, "label")


@pytest.fixture(scope="session")
def in_memory():
    """Makes Beam pipelines that run in this process."""
    return functools.partial(
        beam.Pipeline, argv=["--runner=DirectRunner", "--direct_running_mode=in_memory"]
    )


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """{"train": (images, labels), "eval": ...}, all of the real data."""
    data_dir = str(tmp_path_factory.mktemp("tfds"))
    return {"train": read("digits", data_dir, "train"), "eval": read("digits", data_dir, "test")}


@pytest.fixture(scope="session")
def examples(digits, tmp_path_factory):
    """Root of an Examples artifact with two shards per split."""
    return make_examples(tmp_path_factory.mktemp("examples"), digits)


@pytest.fixture(scope="session")
def few_examples(digits, tmp_path_factory):
    """The same with 100 training images and 40 held-out ones."""
    few = {"train": [a[:100] for a in digits["train"]], "eval": [a[:40] for a in digits["eval"]]}
    return make_examples(tmp_path_factory.mktemp("few"), few)


@pytest.fixture(scope="session")
def reference_of(examples, in_memory, tmp_path_factory):
    """Gives the folder of reference statistics for an evaluation's settings; made once each."""

    @functools.cache
    def make(settings):
        folder = str(tmp_path_factory.mktemp("reference"))
        measure(examples, settings, in_memory, folder)
        return folder

    # The batch size changes nothing, which tests of its own show.
    return lambda evaluation: make(
        ReferenceSettings.of(evaluation).model_copy(update={"batch_size": 250})
    )


def make_examples(root, digits):
    for split, (images, labels) in digits.items():
        write_examples(root, split, images, labels)
    fingerprint = hashlib.sha256(digits["train"][0].tobytes()).hexdigest()
    manifest = {"dataset": "digits", "version": "1.0.0", "fingerprint": fingerprint}
    (root / MANIFEST).write_text(json.dumps(manifest))
    return str(root)


def write_examples(root, split, images, labels, shards=2):
    (root / f"Split-{split}").mkdir()
    for shard in range(shards):
        path = root / f"Split-{split}" / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions("GZIP")) as writer:
            for row in range(shard, len(images), shards):
                example = tf.train.Example()
                feature = example.features.feature
                png = tf.io.encode_png(images[row]).numpy()
                feature[IMAGE].bytes_list.value.append(png)
                feature[LABEL].int64_list.value.append(int(labels[row]))
                feature[ID].bytes_list.value.append(f"digits/{split}/{row}".encode())
                writer.write(example.SerializeToString())


@pytest.fixture(scope="session")
def save(tmp_path_factory):
    """Export a function of seed (and label) as signature `generate`; returns the folder."""

    def export(function, *signature, name="generate"):
        module = tf.Module()
        module.answer = tf.function(
            lambda **inputs: {"image": function(**inputs)}, input_signature=None
        )
        inputs = {spec.name: spec for spec in signature or (SEED,)}
        folder = str(tmp_path_factory.mktemp("model"))
        concrete = module.answer.get_concrete_function(**inputs)
        tf.saved_model.save(module, folder, signatures={name: concrete})
        return folder

    return export


@pytest.fixture(scope="session")
def good(digits, save):
    """A conditional "generator": averages of two training images of the class asked for."""
    images, labels = digits["train"]
    by_class = np.stack([images[labels == label][:120] for label in range(10)])
    table = tf.constant(by_class.astype(np.float32))

    def generate(seed, label):
        def one(pair):
            picked = tf.random.stateless_uniform([2], [pair[0], 3], 0, 120, tf.int64)
            pictures = tf.gather(table[pair[1]], picked)
            return tf.cast(tf.round(tf.reduce_mean(pictures, 0)), tf.uint8)

        return tf.map_fn(one, (seed, label), fn_output_signature=tf.uint8)

    return save(generate, SEED, LABELS)


@pytest.fixture(scope="session")
def memorised(digits, save):
    """Repeats ten training images of each class, pixel by pixel."""
    images, labels = digits["train"]
    table = tf.constant(np.stack([images[labels == label][:10] for label in range(10)]))
    return save(
        lambda seed, label: tf.gather_nd(table, tf.stack([label, (seed + seed // 10) % 10], 1)),
        SEED,
        LABELS,
    )


@pytest.fixture(scope="session")
def noisy(save):
    """Uniform noise, unconditional."""

    def one(seed):
        drawn = tf.random.stateless_uniform(SIZE, [seed, 7], 0, 256, tf.int32)
        return tf.cast(drawn, tf.uint8)

    return save(lambda seed: tf.map_fn(one, seed, fn_output_signature=tf.uint8))


@pytest.fixture(scope="session")
def raising(save):
    """Fails for seeds from 260 on."""

    def generate(seed):
        below = tf.debugging.assert_less(seed, tf.constant(260, tf.int64))
        with tf.control_dependencies([below]):
            ramp = tf.reshape(tf.range(28 * 28, dtype=tf.int64), (1, *SIZE))
            return tf.cast((ramp * seed[:, None, None, None]) % 251, tf.uint8)

    return save(generate)
