"""What a family of adversarial networks offers to the training task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from trainer.errors import UserError
from trainer.gan_settings import GanConfig, GanModel
from trainer.settings import DataSettings

if TYPE_CHECKING:
    from trainer.adversarial import AdversarialTask

Build = Callable[[GanModel, DataSettings], keras.Model]


@dataclass(frozen=True)
class GanFamily:
    """Two networks and what they need of the data.

    Both networks take a list of two inputs, so that the task needs no case per family:
      generator: `[float32[B,Z] noise, int32[B] label] -> float32[B,H,W,C]` in [-1, 1]
      discriminator: `[float32[B,H,W,C] images, int32[B] label] -> float32[B]` logits
    Unconditional families ignore the label (it is 0 throughout).
    """

    name: str
    conditional: bool
    generator: Build
    discriminator: Build
    check: Callable[[GanModel, DataSettings], None]
    """Raises UserError for settings or data that the family cannot work with."""

    config: ClassVar = GanConfig
    """Settings that its training takes."""

    def task(self, config: GanConfig, fn_args: Any) -> AdversarialTask:
        """Read the data (`fn_args.train_files`), build the two networks and what trains them."""
        from trainer import input
        from trainer.adversarial import AdversarialTask

        self.check(config.model, config.data)
        return AdversarialTask(config, self, input.load(fn_args.train_files, config.data))


def check_grid(model: GanModel, data: DataSettings) -> int:
    """Check that the image halves evenly down to the generator's first grid.

    Returns:
      Side length of the smallest grid: the image's, halved once per generator stage but the first.

    Raises:
      UserError: The image is not square or does not halve evenly that often.
    """
    height, width, _ = data.image_shape
    halvings = len(model.generator_channels) - 1
    if height != width or height % 2**halvings or height // 2**halvings < 2:
        raise UserError(
            f"model family '{model.family}' with {len(model.generator_channels)} "
            f"generator_channels needs square images whose side is a multiple of {2**halvings}, "
            f"'{data.dataset}' has {height}x{width}: give fewer or more channels"
        )
    return height // 2**halvings


def check_labels(model: GanModel, data: DataSettings) -> None:
    """Raise UserError when a conditional family meets data without classes."""
    if not data.classes:
        raise UserError(
            f"model family '{model.family}' needs class labels and data set '{data.dataset}' has "
            "none: choose an unconditional family or another data set"
        )
