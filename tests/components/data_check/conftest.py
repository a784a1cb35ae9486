"""One data check after another on small artifacts, and the records that go in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types import standard_artifacts

from components.data_check.component import DataReport
from components.data_check.executor import Executor
from components.data_check.settings import Checks

BEAM_ARGS = ["--runner=FnApiRunner", "--sdk_container_image=none"]
COUNT = {"train": 300, "eval": 100}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def record(
    identity: str, image: bytes, label: int | None, captions: list[bytes]
) -> tf.train.Example:
    example = tf.train.Example()
    feature = example.features.feature
    feature["id"].bytes_list.value.append(identity.encode())
    feature["image"].bytes_list.value.append(image)
    if label is not None:
        feature["label"].int64_list.value.append(label)
    if captions:
        feature["captions"].bytes_list.value.extend(captions)
    return example


def digits(split: str, seed: int = 0, brightness: int = 0) -> list[tf.train.Example]:
    """Random pictures with labels 0 to 9 in turn."""
    rng = np.random.default_rng([seed, len(split)])
    return [
        record(
            f"{split}/{number:04d}",
            png(rng.integers(0, 156, (28, 28)) + brightness),
            number % 10,
            [],
        )
        for number in range(COUNT[split])
    ]


def captioned(split: str, words: str = "one two three four five six") -> list[tf.train.Example]:
    rng = np.random.default_rng(len(split))
    return [
        record(
            f"{split}/{number:04d}",
            png(rng.integers(0, 255, (8, 8, 3))),
            None,
            [" ".join(rng.choice(words.split(), 5)).encode() for _ in range(5)],
        )
        for number in range(COUNT[split])
    ]


def spoil(example: tf.train.Example, how: str) -> tf.train.Example:
    """Damage an example in one of the ways that must be found."""
    feature = example.features.feature
    image = feature["image"].bytes_list.value
    picture = Image.open(io.BytesIO(image[0]))
    if how == "truncated PNG":
        image[0] = image[0][: len(image[0]) // 2]
    elif how == "truncated JPEG":
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG")
        image[0] = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    elif how == "channels":
        image[0] = png(np.zeros((28, 28, 3)))
    elif how == "label":
        feature["label"].int64_list.value[0] = 10
    elif how == "empty file":
        image[0] = b""
    return example


class Checked:
    """One data check after another on artifacts in a folder of its own."""

    png = staticmethod(png)
    digits = staticmethod(digits)
    captioned = staticmethod(captioned)
    spoil = staticmethod(spoil)

    def __init__(self, root: Path) -> None:
        self.root, self.runs, self.beam_args = root, 0, list(BEAM_ARGS)

    def __call__(
        self, splits: dict[str, list[tf.train.Example]], dataset: str = "digits", **checks
    ) -> dict:
        """Write `splits` as an artifact in three shards each, check it, return the report."""
        self.runs += 1
        here = self.root / str(self.runs)
        examples, checked = standard_artifacts.Examples(), standard_artifacts.Examples()
        anomalies, report = standard_artifacts.ExampleAnomalies(), DataReport()
        artifacts = (examples, checked, anomalies, report)
        for name, artifact in zip(
            ("examples", "checked", "anomalies", "report"), artifacts, strict=True
        ):
            artifact.uri = str(here / name)
        anomalies.split_names = examples.split_names = json.dumps(list(splits))
        manifest = {"dataset": dataset, "version": "1.0.0", "fingerprint": "00", "splits": {}}
        for split, records in splits.items():
            folder = here / "examples" / f"Split-{split}"
            folder.mkdir(parents=True)
            for shard in range(3):
                path = str(folder / f"data_tfrecord-0000{shard}-of-00003.gz")
                with tf.io.TFRecordWriter(path, "GZIP") as writer:
                    for example in records[shard::3]:
                        writer.write(example.SerializeToString())
            manifest["splits"][split] = {"records": len(records)}
            found = here / "anomalies" / f"Split-{split}"
            found.mkdir(parents=True)
            (found / "SchemaDiff.pb").write_bytes(anomalies_pb2.Anomalies().SerializeToString())
        (here / "examples" / "manifest.json").write_text(json.dumps(manifest))
        Executor(Executor.Context(beam_pipeline_args=self.beam_args)).Do(
            {"examples": [examples], "anomalies": [anomalies]},
            {"checked": [checked], "report": [report]},
            {
                "dataset": dataset,
                "source": "{}",
                "checks": Checks(**checks).model_dump_json(),
                "state_dir": str(self.root / "state"),
            },
        )
        return json.loads((here / "report" / "report.json").read_text())

    def ids(self, split: str) -> list[str]:
        """Ids that the last check passed on."""
        folder = self.root / str(self.runs) / "checked" / f"Split-{split}"
        files = sorted(str(path) for path in folder.iterdir())
        payloads = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        examples = (tf.train.Example.FromString(payload) for payload in payloads)
        return sorted(e.features.feature["id"].bytes_list.value[0].decode() for e in examples)


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    return Checked(tmp_path)
