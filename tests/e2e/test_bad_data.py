"""Data that are not as promised stop the run before training, in one line with counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from components import datasets
from components.datasets.prepare import prepare

pytestmark = pytest.mark.slow


def spoil(folder: Path) -> None:
    """Give three training records a label that does not exist and cut one image short."""
    (path,) = folder.glob("digits/*/digits-train.tfrecord-*")
    records = [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]
    for record in records[:3]:
        record.features.feature["label"].int64_list.value[0] = 11
    image = records[5].features.feature["image"].bytes_list
    image.value[0] = image.value[0][:100]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record.SerializeToString())


def test_the_run_stops_with_feature_and_count(genvision) -> None:
    data = genvision.folder / "data"
    prepare(datasets.get("digits"), data)
    spoil(data)
    done = genvision("run", "digits_cgan", "--data-dir", str(data))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "label (train): 3 of 1,297 outside [0, 9], for example digits/" in done.stderr
    assert "image (train): 1 of 1,297 not decodable as PNG or JPEG" in done.stderr
    assert "Trainer" not in done.stdout and genvision.versions() == []
