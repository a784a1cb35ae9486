"""What is saved while training, and in which order it is looked for."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.errors import UserError

KEPT = 2


class Checkpoints:
    """Saves and restores one training's state.

    Attributes:
      folder: Where everything of this training lives until it is done.
    """

    def __init__(self, folder: Path, trackables: dict[str, Any]) -> None:
        self.folder = folder
        self._checkpoint = tf.train.Checkpoint(**trackables)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder / "checkpoints"), max_to_keep=KEPT
        )
        self._best = tf.train.CheckpointManager(
            self._checkpoint, str(folder / "best"), max_to_keep=1
        )

    def restore(self) -> bool:
        """Go back to the newest checkpoint that can be read whole; False when there is none.

        The order: the newest, then the one before it: a torn file costs one interval, not the run.

        Raises:
          UserError: There are checkpoints and none can be read. Not a fresh start: a failed read
            may have overwritten some of the weights already.
        """
        paths = self._manager.checkpoints
        for path in reversed(paths):
            try:
                self._checkpoint.restore(path).assert_existing_objects_matched()
            except (tf.errors.OpError, AssertionError, IndexError, ValueError) as error:
                logging.warning(
                    "checkpoint %s cannot be read, trying the one before: %s", path, error
                )
            else:
                return True
        if paths:
            raise UserError(
                f"no checkpoint in '{self.folder}' can be read: remove that folder to begin again"
            )
        return False

    def save(self, step: int) -> None:
        """Write a checkpoint for `step`; it is complete or absent, never half there."""
        self._manager.save(checkpoint_number=step)

    def save_best(self, step: int) -> None:
        """Write a checkpoint for `step` to the best one's place; the one before goes afterwards."""
        self._best.save(checkpoint_number=step)

    def restore_best(self) -> bool:
        """Go back to the best checkpoint; False when none was ever called the best."""
        if not self._best.latest_checkpoint:
            return False
        self._checkpoint.restore(self._best.latest_checkpoint).assert_existing_objects_matched()
        return True

    def discard(self) -> None:
        """Remove the folder: the training is done and what it made lies elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)


def last_step(folder: Path) -> int:
    """Return the step of the newest checkpoint of the work in `folder`; 0 without any."""
    newest = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    return int(newest.rsplit("-", 1)[1]) if newest else 0
