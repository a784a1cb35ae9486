"""Captions to tokens and back: rules, inverse, Transform's vocabulary, an exported graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from trainer.preprocessing import (
    END,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    decode,
    encode,
    lookup,
    normalise,
    read_vocabulary,
    words,
)

VOCABULARY = ["a", "dog", "red", "on", "0", "café"]


@pytest.mark.parametrize(
    ("caption", "normal"),
    [
        ("A red DOG.", "a red dog"),
        ("Two-tone  (dog), on\ta bed!", "two tone dog on a bed"),
        ("The dog's ball; it isn\u2019t his", "the dogs ball it isnt his"),
        ("42 dogs, 3.5 m", "0 dogs 0 0 m"),
        ("CAFÉ Ünal", "café ünal"),
        ("<start> <pad> end", "start pad end"),
        ("...", ""),
        ("", ""),
    ],
)
def test_normalisation(caption, normal):
    assert normalise(tf.constant([caption])).numpy()[0].decode() == normal
    again = normalise(normalise(tf.constant([caption])))
    assert again.numpy()[0].decode() == normal
    assert [w.decode() for w in words(tf.constant([caption]))[0].numpy()] == normal.split()


def test_bytes_that_are_no_text_are_replaced_and_do_not_fail():
    assert normalise(tf.constant([b"a \xff dog"])).numpy()[0] == b"a dog"


def test_rows():
    rows = encode(
        tf.constant(["A red dog.", "a zebra", "", "a red dog on a red dog on a red dog"]),
        lookup(VOCABULARY).lookup,
        7,
    )
    first = len(SPECIAL)
    a, dog, red, on = (first + VOCABULARY.index(word) for word in ("a", "dog", "red", "on"))
    assert rows.dtype == tf.int64
    assert rows.numpy().tolist() == [
        [START, a, red, dog, END, PAD, PAD],
        [START, a, UNKNOWN, END, PAD, PAD, PAD],
        [START, END, PAD, PAD, PAD, PAD, PAD],
        [START, a, red, dog, on, a, END],
    ]


def test_the_inverse():
    captions = ["a red dog", "a dog on a red café", ""]
    rows = encode(tf.constant(captions), lookup(VOCABULARY).lookup, 9)
    found = decode(rows, tf.constant(VOCABULARY))
    assert [text.decode() for text in found.numpy()] == captions
    odd = tf.constant([[START, 5, END, 4, 4], [UNKNOWN, 4, PAD, PAD, PAD]], tf.int64)
    assert [x.decode() for x in decode(odd, tf.constant(VOCABULARY)).numpy()] == [
        "dog",
        "<unknown> a",
    ]


def test_the_same_code_in_an_exported_signature(tmp_path):
    class Tokens(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = lookup(VOCABULARY)
            self.vocabulary = tf.constant(VOCABULARY)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def round_trip(self, captions):
            rows = encode(captions, self.table.lookup, 8)
            return {"tokens": rows, "caption": decode(rows, self.vocabulary)}

    module = Tokens()
    tf.saved_model.save(module, str(tmp_path), signatures=module.round_trip)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    answer = loaded(tf.constant(["A RED dog!", "a cat"]))
    expected = encode(tf.constant(["A RED dog!", "a cat"]), lookup(VOCABULARY).lookup, 8)
    assert np.array_equal(answer["tokens"], expected)
    assert answer["caption"].numpy().tolist() == [b"a red dog", b"a <unknown>"]


@pytest.fixture(scope="module")
def transformed(tmp_path_factory) -> Path:
    """TFX's Transform as the pipeline wires it, on 40 rendered scenes."""
    from tfx import v1 as tfx

    from components.datasets.base import Source
    from components.example_gen.component import TfdsExampleGen
    from components.reviewed_schema.component import ReviewedSchema
    from pipeline.captions import caption_transform
    from pipeline.recipe import Captions

    root = tmp_path_factory.mktemp("transform")
    examples = TfdsExampleGen(
        "scenes",
        {"train": "train", "eval": "test"},
        str(root / "tfds"),
        source=Source(size=40),
        num_shards=1,
    )
    schema = ReviewedSchema("scenes")
    transform = caption_transform(
        "scenes",
        Captions(length=12, min_count=4),
        examples.outputs["examples"],
        schema.outputs["schema"],
    )
    assert transform is not None
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="transform",
            pipeline_root=str(root / "root"),
            components=[examples, schema, transform],
            metadata_connection_config=(
                tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "m.db"))
            ),
            beam_pipeline_args=["--runner=FnApiRunner"],
        )
    )
    return root / "root"


def test_transform_finds_the_vocabulary_and_its_graph_is_this_code(transformed):
    (graph,) = (transformed / "Transform" / "transform_graph").iterdir()
    assert not (transformed / "Transform" / "transformed_examples").exists()
    output = tft.TFTransformOutput(str(graph))
    vocabulary = read_vocabulary(output.vocabulary_file_by_name("captions"))
    (folder,) = (transformed / "TfdsExampleGen" / "examples").iterdir()
    captions, counts = [], {}
    for file in sorted((folder / "Split-train").iterdir()):
        for raw in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator():
            feature = tf.train.Example.FromString(raw).features.feature["captions"]
            captions.append([text.decode() for text in feature.bytes_list.value])
            for word in " ".join(captions[-1]).split():
                counts[word] = counts.get(word, 0) + 1
    assert len(captions) == 40
    assert set(vocabulary) == {word for word, count in counts.items() if count >= 4}
    assert [counts[word] for word in vocabulary] == sorted(
        (counts[word] for word in vocabulary), reverse=True
    )
    assert min(counts.values()) < 4, "the floor must have something to do"

    layer = output.transform_features_layer()
    rows = layer({"captions": tf.constant(captions[:6])})["tokens"]
    own = encode(tf.reshape(captions[:6], [-1]), lookup(vocabulary).lookup, 12)
    assert np.array_equal(tf.sparse.to_dense(rows), tf.reshape(own, [6, 60]))


def test_data_without_captions_get_no_transform():
    from pipeline.captions import caption_transform
    from pipeline.recipe import Captions

    assert caption_transform("digits", Captions(), None, None) is None
