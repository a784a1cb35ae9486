"""Caption recipes as they are wired: from the data set to the vocabulary the Trainer is given."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import yaml
from PIL import Image
from tfx.orchestration.pipeline import RunOptions

from pipeline import config, nodes
from pipeline.build import create_pipeline
from pipeline.paths import Paths
from pipeline.runners.local import LocalRunner
from trainer import models
from trainer.preprocessing import encode, lookup, read_vocabulary, words

ROOT = Path(__file__).resolve().parents[2]
PREPARED = Path(os.environ.get("GENVISION_TFDS_DIR", ROOT.parent / "shared" / "tfds"))
LENGTH = 12


@pytest.fixture(scope="module", autouse=True)
def family():
    """A caption family that is wired and never trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.FAMILIES, "wired_only", models.Line("caption", "none:NONE"))
        yield


def recipe_of(folder: Path, data: dict) -> config.Recipe:
    content = {
        "description": "captions up to their vocabulary",
        "data": data,
        "captions": {"length": LENGTH, "min_count": 2},
        "model": {"family": "wired_only"},
        "train": {"steps": 1},
        "evaluate": {"extractor": "digits", "samples": 500, "thresholds": []},
        "push": {"model_name": "none"},
    }
    file = folder / "wired_captions.yaml"
    file.write_text(yaml.safe_dump(content))
    return config.load(str(file))


def run_to_transform(folder: Path, data: dict, data_dir: str) -> Paths:
    recipe = recipe_of(folder, data)
    paths = Paths.of(recipe.name, str(folder / "out"), data_dir)
    paths.artifacts.mkdir(parents=True)
    part = list(nodes.selected(recipe, None, "Transform"))
    runner = LocalRunner(lambda *args: None, lambda *args: None)
    runner.run(create_pipeline(recipe, paths), RunOptions(part, part))
    ran = [name for name, result in runner.results.items() if result.state == "done"]
    assert sorted(ran) == sorted(part)
    return paths


def artifact(paths: Paths, node: str, key: str) -> Path:
    (found,) = (paths.artifacts / node / key).iterdir()
    return found


def captions_of(paths: Paths) -> list[list[bytes]]:
    """Captions of the training images that passed the check."""
    files = sorted((artifact(paths, "DataCheck", "checked") / "Split-train").iterdir())
    payloads = tf.data.TFRecordDataset([str(file) for file in files], "GZIP").as_numpy_iterator()
    examples = (tf.train.Example.FromString(payload) for payload in payloads)
    return [list(e.features.feature["captions"].bytes_list.value) for e in examples]


def check_graph(paths: Paths, images: int) -> None:
    """Hold vocabulary and graph against counting and encoding done here."""
    graph = tft.TFTransformOutput(str(artifact(paths, "Transform", "transform_graph")))
    captions = captions_of(paths)
    assert len(captions) == images
    counts: dict[str, int] = {}
    for word in words(tf.constant([c for own in captions for c in own])).flat_values.numpy():
        counts[word.decode()] = counts.get(word.decode(), 0) + 1
    vocabulary = read_vocabulary(graph.vocabulary_file_by_name("captions"))
    assert set(vocabulary) == {word for word, count in counts.items() if count >= 2}
    assert [counts[w] for w in vocabulary] == sorted((counts[w] for w in vocabulary), reverse=True)
    assert min(counts.values()) == 1, "the floor must have something to do"

    layer = graph.transform_features_layer()
    sparse = tf.ragged.constant(captions[:6]).to_sparse()
    schema = graph.raw_feature_spec()["captions"]
    given = sparse if isinstance(schema, tf.io.VarLenFeature) else tf.sparse.to_dense(sparse)
    tokens = layer({"captions": given})["tokens"]
    for number, own in enumerate(captions[:6]):
        rows = encode(tf.constant(own), lookup(vocabulary).lookup, LENGTH)
        found = tf.sparse.to_dense(tf.sparse.slice(tokens, [number, 0], [1, 10**6]))
        assert np.array_equal(found[0, : tf.size(rows)], tf.reshape(rows, [-1]))
    assert not (paths.artifacts / "Transform" / "transformed_examples").exists()


def test_the_trainer_of_a_caption_recipe_gets_the_transform_graph(tmp_path):
    recipe = recipe_of(tmp_path, {"dataset": "scenes", "size": 40})
    wired = create_pipeline(recipe, Paths.of(recipe.name, str(tmp_path / "out")))
    assert {component.id for component in wired.components} == set(nodes.of(recipe))
    by_id = {component.id: component for component in wired.components}
    graph = by_id["Transform"].outputs["transform_graph"]
    assert by_id["Trainer"].inputs["transform_graph"] is graph
    assert by_id["Transform"].upstream_nodes == {by_id["DataCheck"], by_id["ReviewedSchema"]}
    image = create_pipeline(config.load("digits_cgan"), Paths.of("d", str(tmp_path / "out")))
    (trainer,) = (component for component in image.components if component.id == "Trainer")
    assert "transform_graph" not in trainer.inputs


def test_scenes_from_rendering_to_the_vocabulary(tmp_path):
    paths = run_to_transform(tmp_path, {"dataset": "scenes", "size": 40}, str(tmp_path / "tfds"))
    check_graph(paths, 40)
    report = json.loads((artifact(paths, "DataCheck", "report") / "report.json").read_text())
    assert report["records"] == {"eval": 10, "train": 40}
    assert report["anomalies"] == []


def test_a_coco_folder_with_one_to_three_captions_an_image(tmp_path):
    """The number of captions varies, so Transform sees a sparse column."""
    own = tmp_path / "own"
    (own / "images").mkdir(parents=True)
    rng = np.random.default_rng(3)
    things = ["Red dogs", "a dog's 2 beds", "one zebra", "beds!", "dogs"]
    for split, count in (("train", 8), ("val", 4)):
        images, rows = [], []
        for number in range(count):
            name, buffer = f"{split}{number}.png", io.BytesIO()
            pixels = rng.integers(0, 255, (20 + number, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(buffer, format="PNG")
            (own / "images" / name).write_bytes(buffer.getvalue())
            images.append({"id": number, "file_name": name})
            text = things[number % 5] + " quietly" * (number == 0)  # once: below the floor
            rows += [{"image_id": number, "caption": text}] * (1 + number % 3)
        content = {"images": images, "annotations": rows}
        (own / f"captions_{split}.json").write_text(json.dumps(content))
    data = {"dataset": "coco_folder", "folder": str(own), "eval": "val"}
    check_graph(run_to_transform(tmp_path, data, str(tmp_path / "tfds")), 8)


@pytest.mark.slow
def test_real_photographs_to_the_vocabulary(tmp_path):
    if not (PREPARED / "coco_captions").is_dir():
        pytest.skip(f"{PREPARED / 'coco_captions'} is not there; set GENVISION_TFDS_DIR")
    data = {"dataset": "coco_captions", "eval": "val"}
    check_graph(run_to_transform(tmp_path, data, str(PREPARED)), 80)
