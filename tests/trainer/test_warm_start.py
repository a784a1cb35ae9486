"""A training that begins with the networks of a deployed model, and models that cannot serve so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from trainer import models
from trainer.errors import UserError
from trainer.gan_settings import GanConfig
from trainer.run_fn import run_fn


@pytest.fixture(scope="module")
def deployed(tmp_path_factory, pictures, make_fn_args) -> SimpleNamespace:
    """The arguments of a finished training; its model lies in `serving_model_dir`."""
    args = make_fn_args(tmp_path_factory.mktemp("deployed"), pictures, steps=5)
    run_fn(args)
    return args


def task(args: SimpleNamespace, model: str | None, **changes: object):
    """Build a task that starts warm from `model`, with some settings of its networks changed."""
    settings = json.loads(args.custom_config["trainer"])
    settings["train"]["warm_start"] = True
    settings["model"] |= changes
    config = GanConfig.model_validate(settings)
    return models.family("cgan").task(
        config, SimpleNamespace(**{**vars(args), "base_model": model})
    )


def test_both_networks_go_on_where_the_deployed_ones_ended(deployed, capsys) -> None:
    warm, cold = task(deployed, deployed.serving_model_dir), task(deployed, None)
    said = capsys.readouterr().err
    assert f"starts from the networks of {deployed.serving_model_dir}" in said
    assert "no deployed model yet to start from" in said
    for network in ("generator", "averaged", "discriminator"):
        pairs = zip(getattr(warm, network).weights, getattr(cold, network).weights, strict=True)
        changed = [not np.array_equal(one.numpy(), other.numpy()) for one, other in pairs]
        assert sum(changed) > 0.8 * len(changed), network
    assert int(warm.step) == 0 and int(warm.optimizer_g.iterations) == 0


def test_other_networks_or_none_are_refused(deployed, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has other networks than this recipe"):
        task(deployed, deployed.serving_model_dir, generator_channels=(16, 8))
    bare = tmp_path / "bare"
    shutil.copytree(deployed.serving_model_dir, bare, ignore=shutil.ignore_patterns("networks*"))
    with pytest.raises(UserError, match="carries no networks"):
        task(deployed, str(bare))
