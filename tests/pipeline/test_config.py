"""Recipes: resolution, overrides, and one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline import config
from trainer.errors import UserError

NAMES = config.names()


@pytest.mark.parametrize("name", NAMES)
def test_every_packaged_recipe_resolves_and_reads_back_equal(name: str, tmp_path: Path) -> None:
    recipe = config.load(name)
    assert recipe.name == name
    copy = tmp_path / "copy.yaml"
    copy.write_text(config.dump(recipe))
    assert config.load(str(copy)) == recipe


@pytest.mark.parametrize("name", NAMES)
def test_every_header_states_command_hardware_time_and_score(name: str) -> None:
    header = config.header(name)
    for part in (f"genvision run {name}", "Hardware:", "Wall time:", "Score:"):
        assert part in header, part


def test_overrides_are_read_as_yaml_and_the_result_is_frozen() -> None:
    given = ["train.steps=7", "data.limit=null", "cache=false", "evaluate.thresholds.0.max=3.5"]
    recipe = config.load("digits_cgan", given)
    assert recipe.evaluate.thresholds[0].max == 3.5
    assert (recipe.train.steps, recipe.data.limit, recipe.cache) == (7, None, False)
    with pytest.raises(ValidationError, match="frozen"):
        recipe.train.steps = 8


def test_a_recipe_file_of_ones_own_is_named_after_the_file(tmp_path: Path) -> None:
    text = (config.CONFIGS / "digits_cgan.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text)
    assert config.load(str(tmp_path / "mine.yaml")).name == "mine"


@pytest.mark.parametrize(
    ("recipe", "override", "message"),
    [
        ("digit_cgan", "", "unknown recipe 'digit_cgan': did you mean 'digits_cgan'?"),
        ("digits_cgan", "train.stpes=5", "key 'train.stpes': did you mean 'train.steps'"),
        ("digits_cgan", "trian.steps=5", "unknown recipe key 'trian': did you mean 'train'?"),
        ("digits_cgan", "train.steps=abc", "'train.steps' is 'abc': input should be a valid int"),
        ("digits_cgan", "train.steps=0", "'train.steps' is 0: input should be greater than 0"),
        ("digits_cgan", "train.steps", "'train.steps' is no setting: write it as key=value"),
        ("digits_cgan", "train.steps.x=1", "'train.steps.x' goes too deep"),
        ("digits_cgan", "train.loss=hing", "'train.loss' is 'hing': input should be 'hinge'"),
        ("digits_cgan", "train.steps=[", "the value of 'train.steps' cannot be read"),
        ("digits_cgan", "model.family=cgam", "unknown model family 'cgam': did you mean 'cgan'?"),
        ("digits_cgan", "data.dataset=digit", "did you mean 'digits'?"),
        ("digits_cgan", "push.model_name=a/b", "'push.model_name' is 'a/b': string should match"),
        ("digits_cgan", "evaluate.thresholds=[{metrik: a}]", "evaluate.thresholds.0.metric"),
        ("digits_cgan", "evaluate.thresholds.9.max=1", "'9' is no position in a list of"),
        ("digits_cgan", "beam.args=[1]", "'beam.args.0' is 1: input should be a valid string"),
        ("none.yaml", "", "no recipe file 'none.yaml'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_nearest_valid_thing(
    recipe: str, override: str, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        config.load(recipe, [override] if override else [])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n", "a: [", "\xff"])
def test_a_broken_recipe_file_is_a_user_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"broken\.yaml"):
        config.load(str(path))
