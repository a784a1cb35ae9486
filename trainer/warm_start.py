"""Begin a training with the networks of the model now deployed.

Every exported generator carries them in `assets.extra/networks`: the generator, its average and
the discriminator, without the optimisers' state.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from trainer.errors import UserError
from trainer.export import EXTRA
from trainer.gan_step import GanStep
from trainer.progress import say

NETWORKS = "networks"


def save(task: GanStep, folder: str) -> None:
    """Put the networks beside the SavedModel in `folder`."""
    _checkpoint(task).write(str(Path(folder) / EXTRA / NETWORKS))


def begin(task: GanStep, model: str | None) -> None:
    """Read the networks of the SavedModel in folder `model` into `task`.

    Raises:
      UserError: The model has none, or of other shapes.
    """
    if not model:
        say("no deployed model yet to start from: training begins with fresh weights")
        return
    path = f"{model}/{EXTRA}/{NETWORKS}"
    try:
        _checkpoint(task).read(path).assert_existing_objects_matched().expect_partial()
    except tf.errors.NotFoundError:
        raise UserError(
            f"train.warm_start is true and the deployed model carries no networks: '{path}' is "
            "missing; set train.warm_start=false"
        ) from None
    except (AssertionError, ValueError):
        raise UserError(
            "train.warm_start is true and the deployed model has other networks than this recipe: "
            "give the model section it was trained with, or set train.warm_start=false"
        ) from None
    say(f"training starts from the networks of {model}")


def _checkpoint(task: GanStep) -> tf.train.Checkpoint:
    return tf.train.Checkpoint(
        generator=task.generator, averaged=task.averaged, discriminator=task.discriminator
    )
