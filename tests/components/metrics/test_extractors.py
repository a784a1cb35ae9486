"""The packaged extractor: what its card says is true, and a damaged one is refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from components.metrics import extractors
from components.metrics.evidence import Evidence, FeatureSet
from components.metrics.frechet import fid
from components.metrics.train_extractor import BUDGETS, Budget, measure, read, save, train
from pipeline.extractor import extractor as extractor_command
from trainer.errors import UserError

BUNDLED = {"digits": 0.985, "mnist": 0.992, "fashion_mnist": 0.915, "cifar10": 0.78}
"""Packaged extractor -> least accuracy on held-out images."""


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
    with pytest.raises(UserError, match=r"\(28, 28, 1\), given are images of \(32, 32, 3\)"):
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


def test_parts_of_different_extractors_are_never_compared(extractor, held_out):
    other = dataclasses.replace(extractor.card, fingerprint="0" * 64)
    assert other.name == extractor.card.name
    sets = []
    for card in (extractor.card, other):
        features, probabilities = extractor(held_out[0][:100])
        sets.append(
            FeatureSet.of(
                ids=np.arange(100),
                labels=held_out[1][:100],
                features=features,
                probabilities=probabilities,
                digests=np.arange(100, dtype=np.uint64),
                extractor=card.fingerprint,
            )
        )
    ours, theirs = sets
    assert fid(Evidence(ours, ours, ours)).value == pytest.approx(0, abs=1e-6)
    for mixed in ((theirs, ours, ours), (ours, theirs, ours), (ours, ours, theirs)):
        with pytest.raises(UserError, match="figures of different extractors are never compared"):
            Evidence(*mixed)


@pytest.mark.parametrize("name", sorted(BUNDLED))
def test_every_packaged_extractor_is_as_good_and_small_as_promised(name):
    """The stored accuracy; that of the digits is measured anew above."""
    card, path = extractors.read_card(name), extractors.WEIGHTS / f"{name}.npz"
    assert (
        card.test_accuracy >= BUNDLED[name] and card.remake == f"genvision extractor train {name}"
    )
    assert path.stat().st_size < 600_000
    loaded = extractors.load(name)
    features, probabilities = loaded(np.zeros((2, *card.image_shape), np.uint8))
    assert features.shape == (2, card.feature_dim) and probabilities.shape == (2, card.classes)


def test_the_list_shows_every_card():
    done = CliRunner().invoke(extractor_command, ["list"])
    assert done.exit_code == 0
    for name in BUNDLED:
        card = extractors.read_card(name)
        assert card.fingerprint[:16] in done.output and f"{card.test_accuracy:.2%}" in done.output


def test_train_prints_and_stores_the_accuracy(tmp_path, data_dir, monkeypatch):
    monkeypatch.setitem(BUDGETS, "digits", Budget(width=4, epochs=1))
    out = tmp_path / "own.npz"
    given = ["train", "digits", "--data-dir", data_dir, "--out", str(out)]
    done = CliRunner().invoke(extractor_command, given, catch_exceptions=False)
    assert done.exit_code == 0
    card = extractors.load(str(out)).card
    assert f"test accuracy {card.test_accuracy:.2%} on 500 held-out images" in done.output
    assert 0 < card.test_accuracy < 0.9 and card.train_images == 1297
    assert card.fingerprint == extractors.fingerprint(out.read_bytes())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["train", "digit"], "did you mean 'digits'"),
        (["train", "digits", "--out", "/nowhere/x.npz"], "there is no folder '/nowhere'"),
    ],
)
def test_mistakes_stop_before_training(given, words):
    with pytest.raises(UserError, match=words):
        CliRunner().invoke(extractor_command, given, catch_exceptions=False)


def test_identity_is_the_files_own_or_its_name_where_it_lies_elsewhere(tmp_path):
    assert extractors.identity("digits") == extractors.read_card("digits").fingerprint
    assert extractors.identity("/only/on/the/cluster.npz") == "/only/on/the/cluster.npz"
    assert extractors.identity("inception:/only/there.pth") == "inception:/only/there.pth"
    (tmp_path / "w.pth").write_bytes(b"weights")
    found = extractors.identity(f"inception:{tmp_path / 'w.pth'}")
    assert found == extractors.fingerprint(b"weights")
    with pytest.raises(UserError, match="did you mean 'digits'"):
        extractors.identity("digit")
