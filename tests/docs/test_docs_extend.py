"""The worked example of docs/extend.md: put together as it says, ingested, trained, scored."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types import standard_artifacts

from components import datasets, metrics
from components.datasets import base
from components.example_gen.executor import Executor
from components.metrics.evidence import Evidence, FeatureSet
from components.metrics.score import score_all
from pipeline import config
from trainer import models
from trainer.run_fn import run_fn


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def example(tmp_path_factory, named_blocks, blocks, patch) -> Path:
    """The page's files on disk and importable, its lines in the tables."""
    root = tmp_path_factory.mktemp("example")
    files = named_blocks("extend.md")
    assert len(files) == 5
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        if name.endswith(".py"):
            module = name.removesuffix(".py").replace("/", ".")
            spec = importlib.util.spec_from_file_location(module, root / name)
            patch.setitem(sys.modules, module, importlib.util.module_from_spec(spec))
            spec.loader.exec_module(sys.modules[module])
    tables = {
        "bars": datasets.DATASETS,
        "linear_gan": models.FAMILIES,
        "confidence": metrics.METRICS,
    }
    lines = [text for text in blocks("extend.md", "python") if re.match(r'"\w+": ', text)]
    assert len(lines) == len(tables)
    for line in lines:
        given = {"Line": models.Line, "Metric": metrics.Metric}
        for name, value in eval(f"{{{line}}}", given).items():
            patch.setitem(tables[name], name, value)
    patch.setattr(base, "SCHEMAS", root / "components" / "schemas")
    return root


@pytest.fixture(scope="module")
def trained(example: Path) -> Path:
    """The recipe's examples and its model after twenty steps."""
    recipe = config.load(str(example / "bars.yaml"))
    examples = standard_artifacts.Examples()
    examples.uri = str(example / "examples")
    Executor(
        Executor.Context(beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"])
    ).Do(
        {},
        {"examples": [examples]},
        {
            "dataset": recipe.data.dataset,
            "splits": json.dumps({"train": recipe.data.train, "eval": recipe.data.eval}),
            "data_dir": str(example / "data"),
            "num_shards": 1,
        },
    )
    settings = config.trainer_config(recipe, checkpoint_root=str(example / "checkpoints"))
    run_fn(
        SimpleNamespace(
            train_files=[f"{examples.uri}/Split-train/*"],
            eval_files=[f"{examples.uri}/Split-eval/*"],
            serving_model_dir=str(example / "model"),
            model_run_dir=str(example / "run"),
            transform_output=None,
            base_model=None,
            custom_config={"trainer": settings.model_dump_json()},
        )
    )
    return example


def test_the_data_set_is_what_its_specification_and_schema_say(trained: Path) -> None:
    manifest = json.loads((trained / "examples" / "manifest.json").read_text())
    assert {name: split["records"] for name, split in manifest["splits"].items()} == {
        "train": 96,
        "eval": 32,
    }
    spec = datasets.get("bars")
    schema = text_format.Parse(spec.schema_file.read_text(), schema_pb2.Schema())
    files = [str(path) for path in (trained / "examples" / "Split-train").iterdir()]
    for raw in tf.data.TFRecordDataset(files, "GZIP").take(4).as_numpy_iterator():
        features = tf.train.Example.FromString(raw).features.feature
        assert set(features) == {feature.name for feature in schema.feature}
        image = tf.io.decode_png(features["image"].bytes_list.value[0]).numpy()[..., 0]
        label = features["label"].int64_list.value[0]
        bright = (image.T if label else image).min(axis=1) == 255
        assert image.shape == spec.image_shape[:2] and bright.sum() == 1


def test_the_family_trains_and_answers(trained: Path) -> None:
    rows = [json.loads(line) for line in (trained / "run" / "metrics.jsonl").open()]
    assert rows[-1]["step"] == 20 and np.isfinite([rows[-1]["loss_g"], rows[-1]["loss_d"]]).all()
    generate = tf.saved_model.load(str(trained / "model")).signatures["generate"]
    images = generate(seed=tf.constant([3, 4, 3], tf.int64))["image"].numpy()
    assert images.shape == (3, 16, 16, 1) and images.dtype == np.uint8
    assert (images[0] == images[2]).all() and (images[0] != images[1]).any()


def test_the_metric_is_scored_and_named_by_its_protocol(example: Path) -> None:
    random = np.random.default_rng(0)

    def seen(count: int) -> FeatureSet:
        sure = np.tile([0.9, 0.1], (count, 1)).astype(np.float32)
        sure[: count // 2] = 0.5
        digests = np.arange(count, dtype=np.uint64)
        labels = np.arange(count) % 2
        return FeatureSet.of(digests, labels, random.normal(size=(count, 4)), sure, digests)

    scores = score_all(Evidence(seen(40), seen(40), seen(40)), "x-cnn")
    assert scores["confidence_x-cnn_40"].value == pytest.approx(0.7)
    assert scores["confidence_x-cnn_40"].error == pytest.approx(0.2 / 40**0.5, rel=1e-5)
