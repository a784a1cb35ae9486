"""Named budgets of the image recipes, and what scores a training."""

from __future__ import annotations

import importlib

import pytest

from pipeline import config
from pipeline.recipe import ValueRecipe
from trainer.errors import UserError

NAMES = [name for name in config.names() if name.endswith("gan")]


@pytest.mark.parametrize("name", NAMES)
def test_a_budget_is_the_recipe_with_other_settings(name: str) -> None:
    written = config.load(name)
    assert config.load(name, ["budget=cpu"]) == written
    if name == "digits_cgan":
        with pytest.raises(UserError, match=r"unknown budget 'gpu': .*known: cpu$"):
            config.load(name, ["budget=gpu"])
        return
    large = config.load(name, ["budget=gpu", "train.batch_size=16"])
    assert large.train.steps > written.train.steps
    # Numbers 0.1 apart in 100 need more digits than bfloat16 has.
    assert large.train.mixed_precision == (not isinstance(written, ValueRecipe))
    assert large.train.batch_size == 16, "--set has the last word"
    assert config.dump(large) != config.dump(written)


def test_scores_while_training_use_the_evaluation_s_extractor() -> None:
    told = config.trainer_config(config.load("mnist_cgan"), checkpoint_root="")
    assert (told.scorer, told.extractor) == (config.SCORER, "mnist")
    module, _, name = config.SCORER.partition(":")
    assert hasattr(importlib.import_module(module), name)
    never = config.load("mnist_cgan", ["train.validate_every=0"])
    assert config.trainer_config(never, checkpoint_root="").scorer == ""
