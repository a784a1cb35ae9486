"""The packaged extractor: what its card says is true, and a damaged one is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from components.metrics import extractors
from components.metrics.train_extractor import Budget, main, measure, read, save, train
from trainer.errors import UserError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture(scope="module")
def extractor():
    return extractors.load("digits")


@pytest.fixture(scope="module")
def held_out(data_dir):
    return read("digits", data_dir, "test")


def test_accuracy_is_the_one_on_the_card(extractor, held_out):
    assert extractor.card.test_accuracy >= 0.985
    assert measure(extractor, *held_out) == pytest.approx(extractor.card.test_accuracy, abs=0.002)


def test_features_ignore_the_batch_around(extractor, held_out):
    images = held_out[0][:50]
    together, _ = extractor(images)
    apart = np.concatenate([extractor(images[i : i + 7])[0] for i in range(0, 50, 7)])
    assert together.shape == (50, extractor.card.feature_dim)
    np.testing.assert_allclose(apart, together, rtol=1e-5, atol=1e-6)


def test_images_of_another_size_are_refused(extractor):
    with pytest.raises(UserError, match=r"\(28, 28, 1\), not \(32, 32, 3\)"):
        extractor(np.zeros((1, 32, 32, 3), np.uint8))


def test_damaged_file_is_refused(tmp_path):
    for suffix in (".npz", ".json"):
        shutil.copy(extractors.WEIGHTS / f"digits{suffix}", tmp_path)
    path = tmp_path / "digits.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="fingerprint"):
        extractors.load(str(path))
    path.unlink()
    with pytest.raises(UserError, match="cannot be used"):
        extractors.load(str(path))
    (tmp_path / "digits.json").write_text("{}")
    with pytest.raises(UserError, match="card"):
        extractors.load(str(path))


def test_unknown_name_is_refused():
    with pytest.raises(UserError, match="did you mean 'digits'"):
        extractors.load("digit")


def test_training_is_repeatable_and_storage_loses_nothing(held_out, extractor, tmp_path):
    images, labels = held_out[0][:128], held_out[1][:128]
    budget = Budget(width=4, epochs=1)
    first, second = (train(images, labels, 10, budget) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    card = dataclasses.replace(extractor.card, width=4, feature_dim=8)
    stored = save(card, first, tmp_path / "x.npz")
    loaded = extractors.load(str(tmp_path / "x.npz"))
    assert loaded.card == stored
    np.testing.assert_array_equal(loaded(images)[0], extractors.Extractor(stored, first)(images)[0])
    assert json.loads((tmp_path / "x.json").read_text())["fingerprint"] == stored.fingerprint


def test_command_names_the_nearest_data_set(capsys):
    assert main(["digit"]) == 2
    assert "did you mean 'digits'" in capsys.readouterr().err
