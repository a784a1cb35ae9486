"""Folders and .npz files of images in a model's place: the same figures, and clear refusals."""

import io

import numpy as np
import pytest
from PIL import Image

from components.evaluator.contract import ContractError, Generator
from components.evaluator.evaluate import evaluate
from components.evaluator.images import Images, is_model
from components.evaluator.settings import Bound, Evaluation
from trainer.errors import UserError

FID = "fid_digits-cnn_200"


def picture(value, size=(4, 3)):
    buffer = io.BytesIO()
    Image.new("L", size, value).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_models_own_images_in_a_file_score_as_the_model_does(
    good, examples, reference_of, in_memory, tmp_path
):
    """The same 200 images, asked for by seed or read from an .npz."""
    generator, seeds = Generator(good), np.arange(200)
    labels = generator.labels(seeds, 10)
    np.savez(tmp_path / "made.npz", images=generator(seeds, labels), labels=labels)
    settings = Evaluation(extractor="digits", samples=200, thresholds=(Bound(metric=FID, max=9),))
    scratch = str(tmp_path / "scratch")
    common = (examples, settings, in_memory, scratch, reference_of(settings))
    model = evaluate(good, *common)
    images = evaluate(str(tmp_path / "made.npz"), *common, open_model=Images)
    assert images.candidate.scores == model.candidate.scores
    assert images.verdict == model.verdict and images.verdict.blessed
    assert np.array_equal(images.candidate.sheet, model.candidate.sheet)
    assert len(images.model_fingerprint) == 64 != images.model_fingerprint


def test_a_folder_is_read_in_the_order_of_names(tmp_path, good):
    (tmp_path / "b").mkdir()
    for name, value in (("b/1.png", 20), ("a.png", 10), ("b/2.PNG", 30)):
        (tmp_path / name).write_bytes(picture(value))
    (tmp_path / "notes.txt").write_text("no picture")
    images = Images(str(tmp_path))
    assert len(images) == 3 and not images.conditional and not is_model(str(tmp_path))
    assert is_model(good)
    got = images(np.array([2, 0, 1]), np.zeros(3))
    assert got.shape == (3, 3, 4, 1) and got[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert images.labels(np.arange(3), 10).tolist() == [-1, -1, -1]
    with pytest.raises(ContractError, match="the images are 3x4x1, the data's are 28x28x1"):
        images.probe((28, 28, 1))


def test_pictures_of_other_sizes_and_broken_ones_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "b.png").write_bytes(picture(1, (5, 5)))
    (tmp_path / "c.png").write_bytes(b"nothing")
    images = Images(str(tmp_path))
    with pytest.raises(ContractError, match=r"b.png' is 5x5x1, others are 3x4x1"):
        images(np.arange(2), np.zeros(2))
    with pytest.raises(ContractError, match=r"c.png' is no picture"):
        images(np.array([2]), np.zeros(1))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": np.zeros((2, 4, 4, 1), np.float32)}, r"it has images float32\[2, 4, 4, 1\]"),
        ({"x": np.zeros((2, 4, 4, 1), np.uint8)}, "needs an array 'images'"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "needs an array 'images'"),
        (
            {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, np.int64)},
            "each of 2 images",
        ),
    ],
)
def test_arrays_of_another_kind_are_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(UserError, match=words):
        Images(str(tmp_path / "x.npz"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "there is no folder or .npz file"),
        ("gone.npz", "cannot be read"),
        ("torn.npz", "cannot be read"),
        ("", "neither a SavedModel nor PNG or JPEG"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, name, words):
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(UserError, match=words):
        Images(str(tmp_path / name))
