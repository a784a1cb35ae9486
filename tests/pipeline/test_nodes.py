"""The list of nodes against the wiring, and ranges of nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import config, nodes
from pipeline.paths import Paths
from trainer.errors import UserError


@pytest.mark.parametrize("name", config.names())
def test_the_wiring_has_these_nodes_in_an_order_that_fits(name: str, tmp_path: Path) -> None:
    from pipeline.build import create_pipeline

    recipe = config.load(name)
    wired = create_pipeline(recipe, Paths.of(name, str(tmp_path / "out")))
    assert {component.id for component in wired.components} == set(nodes.of(recipe))
    for component in wired.components:
        for upstream in component.upstream_nodes:
            assert nodes.NODES.index(upstream.id) < nodes.NODES.index(component.id)
    assert not (tmp_path / "out").exists(), "wiring must not create anything"


def test_selected_is_the_slice() -> None:
    recipe = config.load("digits_cgan")
    assert nodes.selected(recipe, None, None) == nodes.of(recipe)
    middle = ("DataCheck", "ReferenceStatistics", "Trainer")
    assert nodes.selected(recipe, "DataCheck", "Trainer") == middle
    assert "Transform" not in nodes.of(recipe)
    assert "ReferenceStatistics" not in nodes.of(config.load("scenes_captions"))


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("Trainr", None, "unknown node 'Trainr': did you mean 'Trainer'?"),
        ("Transform", None, "unknown node 'Transform'"),
        (None, "pusher", "unknown node 'pusher': did you mean 'Pusher'?"),
        ("Pusher", "Trainer", "--from Pusher comes after --to Trainer"),
    ],
)
def test_a_wrong_range_is_refused(first: str | None, last: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        nodes.check_range(config.load("digits_cgan"), first, last)
    assert message in str(caught.value)


def test_a_warm_start_adds_the_search_for_the_deployed_model(tmp_path: Path) -> None:
    from pipeline.build import create_pipeline

    recipe = config.load("digits_cgan", ["train.warm_start=true"])
    assert "WarmStartResolver" not in nodes.of(config.load("digits_cgan"))
    wired = create_pipeline(recipe, Paths.of("digits_cgan", str(tmp_path / "out")))
    assert {component.id for component in wired.components} == set(nodes.of(recipe))
    (trainer,) = (component for component in wired.components if component.id == "Trainer")
    assert "WarmStartResolver" in {upstream.id for upstream in trainer.upstream_nodes}
