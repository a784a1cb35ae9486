"""EncoderFeatures on real files: the same examples with a grid each; and what it must refuse."""

from __future__ import annotations

import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils, standard_artifacts

from components.encoder_features.executor import Executor
from trainer import caption_features, caption_input, encoders
from trainer.caption_settings import CaptionData, CaptionModel
from trainer.errors import UserError

SIDE, COUNT = 32, 5
EXTRACTOR = "trainer.caption_features:Extractor"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> CaptionModel:
    """A backbone whose weights lie in a file."""
    random = CaptionModel(
        family="transformer", encoder="efficientnet_b0", encoder_weights="random", image_size=SIDE
    )
    path = tmp_path_factory.mktemp("weights") / "net.weights.h5"
    (net,) = [x for x in encoders.build(random).layers if isinstance(x, keras.Model)]
    net.save_weights(path)
    return random.model_copy(update={"encoder_weights": str(path)})


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Two shards of one split."""
    root, rng = tmp_path_factory.mktemp("examples"), np.random.default_rng(0)
    (root / "Split-train").mkdir()
    for shard in range(2):
        path = root / "Split-train" / f"data_tfrecord-0000{shard}-of-00002.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for n in range(COUNT):
                buffer = io.BytesIO()
                noise = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(noise).save(buffer, "PNG")
                values = {
                    "id": f"{shard}-{n}".encode(),
                    "image": buffer.getvalue(),
                    "captions": b"a picture",
                }
                feature = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for key, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    manifest = {
        "dataset": "noise",
        "version": "1.0.0",
        "splits": {"train": {"records": 2 * COUNT}},
        "fingerprint": "f00d",
    }
    (root / "manifest.json").write_text(json.dumps(manifest))
    artifact = standard_artifacts.Examples()
    artifact.uri = str(root)
    artifact.split_names = artifact_utils.encode_split_names(["train"])
    return artifact


def run(examples, model: CaptionModel, folder: Path):
    featured = standard_artifacts.Examples()
    featured.uri = str(folder)
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=none"],
        tmp_dir=str(folder.parent),
        unique_id="1",
    )
    Executor(context).Do(
        {"examples": [examples]},
        {"featured": [featured]},
        {"extractor": EXTRACTOR, "settings": model.model_dump_json(), "weights": ""},
    )
    return featured


@pytest.fixture(scope="module")
def featured(examples, model, tmp_path_factory):
    return run(examples, model, tmp_path_factory.mktemp("run") / "featured")


def test_shards_order_and_contents_stay_and_a_grid_comes_to_each(examples, model, featured) -> None:
    encoder = encoders.build(model)
    before, after = (sorted(Path(x.uri, "Split-train").iterdir()) for x in (examples, featured))
    assert [path.name for path in before] == [path.name for path in after]
    for old, new in zip(before, after, strict=True):
        pairs = zip(*(tf.data.TFRecordDataset(str(x), "GZIP") for x in (old, new)), strict=True)
        for one, other in pairs:
            given, made = (tf.train.Example.FromString(x.numpy()) for x in (one, other))
            grid = made.features.feature["grid"].bytes_list.value[0]
            del made.features.feature["grid"]
            assert made == given
            image = tf.io.decode_png(given.features.feature["image"].bytes_list.value[0])
            padded = tf.image.resize_with_pad(image, SIDE, SIDE, antialias=True)
            direct = encoder(tf.round(padded)[None] / 127.5 - 1)[0]
            found = np.frombuffer(grid, np.float16).reshape(direct.shape)
            np.testing.assert_allclose(found, direct, rtol=0.01, atol=0.01)


def test_the_manifest_names_the_weights(examples, featured, model) -> None:
    manifest = json.loads(Path(featured.uri, "manifest.json").read_text())
    assert manifest["encoder"] == caption_features.digest(encoders.build(model))
    assert manifest["fingerprint"] != "f00d" and manifest["splits"]["train"]["records"] == 10
    assert featured.split_names == examples.split_names


def test_the_trainer_reads_the_grids_and_checks_whose_they_are(examples, featured, model) -> None:
    encoder = encoders.build(model)
    pattern = [f"{featured.uri}/Split-train/*"]
    grid = tuple(encoder.output_shape[1:])
    data = CaptionData(dataset="noise", length=5)
    split = caption_input.load(pattern, data, SIDE, ["a", "picture"], grid=grid)
    assert split.seen.shape == (10, *grid) and split.seen.dtype == np.float16
    assert split.shown.shape == (10, SIDE, SIDE, 3)
    caption_features.check(encoder, pattern)
    encoder.set_weights([w + 1 for w in encoder.get_weights()])
    with pytest.raises(UserError, match="an encoder with other weights"):
        caption_features.check(encoder, pattern)
    with pytest.raises(UserError, match="are not there: run the EncoderFeatures node"):
        caption_features.check(encoder, [f"{examples.uri}/Split-train/*"])


@pytest.mark.parametrize(
    "change", [{"fine_tune": True}, {"encoder": "cnn"}, {"encoder_weights": "random"}]
)
def test_an_encoder_that_changes_is_refused(examples, model, tmp_path, change) -> None:
    with pytest.raises(UserError, match="needs an encoder that stays as it is"):
        run(examples, model.model_copy(update=change), tmp_path / "featured")
    assert not (tmp_path / "featured").exists()
