"""Scenes as an Examples artifact, and captioners made by hand: knowing, blind, or faulty."""

import json

import numpy as np
import pytest
import tensorflow as tf

from components.datasets.scene_language import describe
from components.datasets.scene_world import draw_lots, encode
from trainer.features import CAPTIONS, FACTS, ID, IMAGE, MANIFEST

HELD_OUT, TRAIN = 60, 40
KNOWN, UNKNOWN, BLIND = 0.5, 2.0, 1.25
"""Nats per word: of the image's own captions, of others, and of any for who does not look."""


@pytest.fixture(scope="session")
def scenes():
    """{"train": [(id, png, captions, scene), ...], "eval": ...}."""
    return {
        split: [_scene(split, stream, index) for index in range(count)]
        for stream, (split, count) in enumerate({"train": TRAIN, "eval": HELD_OUT}.items())
    }


def _scene(split, stream, index):
    rng = np.random.default_rng([5, stream, index])
    scene = draw_lots(rng)
    return f"scenes/{split}/{index:04d}", encode(scene), describe(scene, rng), scene.to_json()


@pytest.fixture(scope="session")
def store(scenes, tmp_path_factory):
    """Write an artifact of `shards` files a split; returns its root."""

    def write(shards, changed=lambda split, rows: rows):
        root = tmp_path_factory.mktemp("scenes")
        for split, rows in scenes.items():
            rows = changed(split, rows)
            (root / f"Split-{split}").mkdir()
            for shard in range(shards):
                name = f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
                path = str(root / f"Split-{split}" / name)
                with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
                    for row in rows[shard::shards]:
                        writer.write(_example(*row))
        manifest = {"dataset": "scenes", "version": "1.0.0", "fingerprint": "f" * 64}
        (root / MANIFEST).write_text(json.dumps(manifest))
        return str(root)

    return write


def _example(name, image, captions, scene):
    example = tf.train.Example()
    feature = example.features.feature
    feature[ID].bytes_list.value.append(name.encode())
    feature[IMAGE].bytes_list.value.append(image)
    feature[CAPTIONS].bytes_list.value.extend(text.encode() for text in captions)
    if scene:
        feature[FACTS].bytes_list.value.append(scene.encode())
    return example.SerializeToString()


@pytest.fixture(scope="session")
def scene_examples(store):
    return store(2)


class Captioner(tf.Module):
    """Answers from tables: image -> caption, (image, caption) -> nats per word."""

    def __init__(self, captions, known, otherwise, constant="a red circle", change=None):
        super().__init__()
        self.captions = _table(captions, constant)
        self.known = _table({key: KNOWN for key in known}, otherwise)
        self.change = change or (lambda name, outputs, *inputs: outputs)

    def caption(self, image_bytes):
        caption = self.captions.lookup(image_bytes)
        log_prob = -0.25 * tf.cast(tf.strings.length(caption), tf.float32)
        outputs = {"caption": caption, "log_prob": log_prob}
        return self.change("caption", outputs, image_bytes)

    def score(self, image_bytes, caption):
        words = tf.cast(tf.strings.split(caption).row_lengths(), tf.int32) + 1
        nats = self.known.lookup(image_bytes + b"\n" + caption)
        outputs = {"loss": nats * tf.cast(words, tf.float32), "tokens": words}
        return self.change("score", outputs, image_bytes)

    def attention(self, image_bytes):
        words = tf.strings.split(self.captions.lookup(image_bytes)).to_tensor("")
        places = tf.range(tf.shape(words)[1]) % 16
        maps = tf.reshape(tf.one_hot(places, 16), [1, -1, 4, 4])
        outputs = {"words": words, "attention": tf.repeat(maps, tf.shape(words)[0], 0)}
        return self.change("attention", outputs, image_bytes)


def _table(content, default):
    keys, values = list(content) or [b""], list(content.values()) or [default]
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), tf.constant(values))
    return tf.lookup.StaticHashTable(initializer, default)


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """Save a `Captioner` of these arguments with some of its signatures; returns the folder."""

    def save(*arguments, signatures=("caption", "score"), **options):
        module = Captioner(*arguments, **options)
        text = tf.TensorSpec([None], tf.string)
        functions = {
            name: tf.function(
                getattr(module, name),
                input_signature=[text, text] if name == "score" else [text],
            )
            for name in signatures
        }
        folder = str(tmp_path_factory.mktemp("captioner"))
        tf.saved_model.save(module, folder, signatures=functions)
        return folder

    return save


@pytest.fixture(scope="session")
def answers(scenes):
    """What a captioner that knows every scene says: image -> caption, and all true pairs."""
    rows = [row for split in scenes.values() for row in split]
    captions = {image: texts[0].encode() for _, image, texts, _ in rows}
    known = [image + b"\n" + text.encode() for _, image, texts, _ in rows for text in texts]
    return captions, known


@pytest.fixture(scope="session")
def knowing(answers, export):
    """Says each image's first caption and is surprised by captions of other images."""
    return export(*answers, UNKNOWN, signatures=("caption", "score", "attention"))


@pytest.fixture(scope="session")
def blind(export):
    """Says the same of every image and finds every caption as likely with any."""
    return export({}, [], BLIND)
