"""Caption recipes as they are wired: from the data set to the vocabulary the Trainer is given."""

from __future__ import annotations

import io
import json
import os
import re
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
from pipeline.cli import cli
from pipeline.lineage import Lineage, Output
from pipeline.paths import Paths
from pipeline.runners.local import LocalRunner
from trainer import models
from trainer.errors import UserError
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
        "evaluate": {"task": "caption", "thresholds": []},
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


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A run on 40 scenes up to the vocabulary, and the arguments that name it."""
    folder = tmp_path_factory.mktemp("scenes")
    return folder, run_to_transform(folder, {"dataset": "scenes", "size": 40}, str(folder / "tfds"))


def test_scenes_from_rendering_to_the_vocabulary(scenes):
    _, paths = scenes
    check_graph(paths, 40)
    report = json.loads((artifact(paths, "DataCheck", "report") / "report.json").read_text())
    assert report["records"] == {"eval": 10, "train": 40}
    assert report["anomalies"] == []


def inspected(folder: Path, stage: str, capsys) -> list[list[str]]:
    """Cells of the table that `genvision inspect` prints; its sheet lies in `folder`."""
    where = ["--data-dir", str(folder / "tfds"), "--output-dir", str(folder / "out")]
    given = ["inspect", str(folder / "wired_captions.yaml"), "--stage", stage, "--count", "4"]
    out = ["--out", str(folder / f"{stage}.png")]
    cli.main([*given, *where, *out], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("sheet: ")
    return [re.split(r" {2,}", line) for line in lines[:-1]]


def test_inspect_shows_every_stage_before_training(scenes, capsys):
    folder, paths = scenes
    captions = captions_of(paths)
    tables = {s: inspected(folder, s, capsys) for s in ("record", "example", "tokens", "batch")}
    assert {len(rows) for rows in tables.values()} == {1 + 4}
    assert tables["record"][0] == ["id", "captions", "scene", "image"]
    assert tables["example"][0] == ["id", "captions", "facts", "image"]
    assert all("PNG 64x64 RGB" in row[3] for row in tables["example"][1:])
    assert tables["tokens"][0] == ["id", "caption", "tokens", "unknown", "words"]
    for own, (identity, caption, tokens, unknown, spoken) in zip(
        captions, tables["tokens"][1:], strict=False
    ):
        assert identity.startswith("scenes/train/")
        assert caption == own[0].decode()
        assert tokens.split()[0] == "1" and tokens.split()[-1] == "2"
        assert tokens.split().count("3") == int(unknown) == spoken.count("<unknown>")
        assert len(spoken.split()) == len(tokens.split()) - 2 <= len(caption.split())
    header, *rows = tables["batch"]
    assert header == ["id", "dtype", "shape", "min", "max", "mean", "tokens"]
    assert {tuple(row[1:3]) for row in rows} == {("float32", "64x64x3")}
    assert [row[6] for row in rows] == [row[2] for row in tables["tokens"][1:]]
    sizes = {stage: Image.open(folder / f"{stage}.png").size for stage in tables}
    assert sizes == dict.fromkeys(tables, (4 * 198 + 6, 192 + 3 * 14 + 2 * 6))


def test_inspect_shows_what_a_captioner_says(scenes, capsys, monkeypatch):
    class Says(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def caption(self, image_bytes):
            length = tf.strings.as_string(tf.strings.length(image_bytes))
            return {
                "caption": length + " bytes",
                "log_prob": tf.zeros_like(image_bytes == "", tf.float32),
            }

    folder, _ = scenes
    module = Says()
    target = str(folder / "model" / "Format-Serving")
    tf.saved_model.save(module, target, signatures={"caption": module.caption})
    real = Lineage.latest

    def latest(self, node, key):
        return (
            Output(key, str(folder / "model"), {}) if node == "Trainer" else real(self, node, key)
        )

    monkeypatch.setattr(Lineage, "latest", latest)
    header, *rows = inspected(folder, "sample", capsys)
    assert header == ["id", "caption", "log_prob", "a person"]
    assert [row[0][:12] for row in rows] == ["scenes/test/"] * 4
    assert all(re.fullmatch(r"\d+ bytes", row[1]) and row[2] == "0.000" for row in rows)


def test_a_stage_that_an_image_recipe_lacks():
    with pytest.raises(
        UserError, match="recipe 'digits_cgan' has no captions, so no stage 'tokens'"
    ):
        cli.main(["inspect", "digits_cgan", "--stage", "tokens"], standalone_mode=False)


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
