"""Reference statistics: the same from any cut of the work, whole or an error, and a TFX node."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types import channel_utils, standard_artifacts

from components.metrics.extractors import WEIGHTS
from components.reference import stored
from components.reference.component import FeatureStatistics, ReferenceStatistics
from components.reference.executor import Executor
from components.reference.measure import measure
from components.reference.settings import ReferenceSettings
from trainer.errors import UserError


def settings(**changes):
    given = {"extractor": "digits", "samples": 500, "batch_size": 250}
    splits = {"reference_split": "eval", "comparison_split": "train"}
    return ReferenceSettings(**{**given, **splits, **changes})


@pytest.fixture(scope="module")
def node(examples, in_memory, tmp_path_factory):
    """The artifact as the node leaves it."""
    given, made = standard_artifacts.Examples(), FeatureStatistics()
    given.uri, made.uri = examples, str(tmp_path_factory.mktemp("node") / "reference")
    context = BaseBeamExecutor.Context(make_beam_pipeline_fn=in_memory)
    properties = {"settings": settings().model_dump_json(), "weights": "any"}
    Executor(context).Do({"examples": [given]}, {"reference": [made]}, properties)
    return made


def test_the_artifact_holds_both_splits_and_the_scores_of_real_data(node, digits):
    found = stored.read(node.uri)
    assert (len(found.train), len(found.held_out), found.image_shape) == (1297, 500, (28, 28, 1))
    assert sorted(found.held_out.labels.tolist()) == sorted(digits["eval"][1].tolist())
    assert sum(group.n for group in found.train.groups) == 1297
    assert 0 < found.floor["fid_digits-cnn_500"].value < 1
    assert found.floor["label_accuracy"].value > 0.99
    assert found.floor["nearest_train_distance"].value == 1.0
    first = found.held_out.features[0].astype(np.float64)
    apart = np.linalg.norm(found.train.features - first, axis=1).min()
    assert found.distances.to_train[0] == pytest.approx(apart, rel=1e-6)
    among = np.linalg.norm(found.held_out.features - first, axis=1)
    assert found.distances.radii[0] == pytest.approx(np.sort(among)[3], rel=1e-6)
    assert found.floor["copied_share"].value == pytest.approx(0.01)
    assert node.get_string_custom_property("extractor_fingerprint") == found.extractor
    assert node.get_string_custom_property("data_fingerprint") == found.data


def test_nothing_but_its_files_is_left(node):
    assert {path.name for path in Path(node.uri).iterdir()} == {
        "split-eval.npz",
        "split-train.npz",
        "distances.npz",
        "reference.json",
    }


def test_the_batch_size_changes_nothing(node, examples, in_memory, tmp_path):
    again = measure(examples, settings(batch_size=7), in_memory, str(tmp_path))
    first = stored.read(node.uri)
    assert np.array_equal(again.train.ids, first.train.ids)
    assert np.array_equal(again.train.digests, first.train.digests)
    np.testing.assert_allclose(again.held_out.features, first.held_out.features, atol=1e-5)
    for name, score in first.floor.items():
        assert again.floor[name].value == pytest.approx(score.value, rel=1e-6), name


def test_an_eval_split_with_too_few_images_is_named(few_examples, in_memory, tmp_path):
    with pytest.raises(UserError, match=r"split 'eval': 40 images are too few.*at least 65"):
        measure(few_examples, settings(), in_memory, str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", ["reference.json", "split-train.npz", "distances.npz"])
def test_damaged_statistics_are_an_error_that_says_how_to_go_on(node, tmp_path, broken):
    folder = shutil.copytree(node.uri, tmp_path / "copy")
    (folder / broken).write_bytes((folder / broken).read_bytes()[:200])
    with pytest.raises(UserError, match=r"cannot be read .*run from ReferenceStatistics on"):
        stored.read(str(folder))
    with pytest.raises(UserError, match="cannot be read"):
        stored.read(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("changes", "extractor", "data", "words"),
    [
        ({"samples": 400}, None, None, "samples 500, not 400"),
        ({"reference_split": "test"}, None, None, "reference_split eval, not test"),
        ({}, "f00", None, "weights of the extractor [0-9a-f]+, not f00"),
        ({}, None, "f00", "data [0-9a-f]+, not f00"),
    ],
)
def test_statistics_of_something_else_are_refused(node, changes, extractor, data, words):
    found = stored.read(node.uri)
    found.check(settings(batch_size=3), found.extractor, found.data)
    with pytest.raises(UserError, match=words):
        found.check(settings(**changes), extractor or found.extractor, data or found.data)


def test_the_node_is_keyed_by_the_weights_of_its_extractor():
    channel = channel_utils.as_channel([standard_artifacts.Examples()])
    node = ReferenceStatistics(channel, settings())
    card = json.loads((WEIGHTS / "digits.json").read_text())
    assert node.exec_properties["weights"] == card["fingerprint"]
    with pytest.raises(UserError, match="did you mean 'digits'"):
        ReferenceStatistics(channel, settings(extractor="digit"))
