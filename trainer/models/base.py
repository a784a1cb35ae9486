"""What a family of adversarial networks offers to the training task."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from trainer.errors import UserError
from trainer.gan_settings import GanConfig, GanModel
from trainer.settings import DataSettings

if TYPE_CHECKING:
    from trainer.adversarial import AdversarialTask

Build = Callable[..., keras.Model]
EXTRAS = ("minibatch_group",)
"""Settings of `model` that are refused, not ignored, by families that know nothing of them."""


@dataclass(frozen=True)
class GanFamily:
    """Two networks and what they need of the data.

    Both networks take a list of two inputs, so that the task needs no case per family:
      generator: `[float32[B,Z] noise, int32[B] label] -> float32[B,...]`, images in [-1, 1]
      discriminator: `[float32[B,...] items, int32[B] label] -> float32[B]` logits
    Unconditional families ignore the label (it is 0 throughout).
    """

    name: str
    conditional: bool
    generator: Build
    """`(GanModel, DataSettings) -> keras.Model`"""
    discriminator: Build
    ways: tuple[str, ...] = ()
    """Values of `model.labels` that the family can do."""
    extras: tuple[str, ...] = ()
    """Which of `EXTRAS` the family can do."""
    grid: bool = True
    """Whether it grows images by doubling a grid."""
    medium: str = "trainer.pictures:Pictures"
    """What it learns from, "module:class"; has `read(patterns, DataSettings)`."""

    config: ClassVar = GanConfig
    """Settings that its training takes."""

    def check(self, model: GanModel, data: DataSettings) -> None:
        """Raise UserError for settings or data that the family cannot work with."""
        if self.conditional and not data.classes:
            raise UserError(
                f"model family '{self.name}' needs class labels and data set '{data.dataset}' "
                "has none: choose an unconditional family or another data set"
            )
        if self.conditional and model.labels not in self.ways:
            raise UserError(
                f"model.labels is '{model.labels}' and model family '{self.name}' takes: "
                f"{', '.join(self.ways)}"
            )
        for name in EXTRAS:
            if getattr(model, name) and name not in self.extras:
                raise UserError(
                    f"model.{name} is {getattr(model, name)} and model family '{self.name}' does "
                    "without: set it to 0"
                )
        if self.grid:
            check_grid(model, data)

    def task(self, config: GanConfig, fn_args: Any) -> AdversarialTask:
        """Read the data (`fn_args.train_files`), build the two networks and what trains them.

        A warm start reads the networks of `fn_args.base_model`.
        """
        from trainer import warm_start
        from trainer.adversarial import AdversarialTask

        self.check(config.model, config.data)
        module, _, name = self.medium.partition(":")
        medium = getattr(importlib.import_module(module), name)
        task = AdversarialTask(config, self, medium.read(fn_args.train_files, config.data))
        if config.train.warm_start:
            warm_start.begin(task, fn_args.base_model)
        return task


def both_forms(
    names: tuple[str, str],
    generator: Build,
    discriminator: Build,
    ways: tuple[str, ...],
    **rest: Any,
) -> tuple[GanFamily, GanFamily]:
    """Make the unconditional and the conditional family of one pair of networks.

    Args:
      names: Of the unconditional and the conditional one.
      generator: `(GanModel, DataSettings, conditional) -> keras.Model`.
      discriminator: The same.
      ways: Values of `model.labels` that the conditional one can do.
      **rest: Further fields of `GanFamily`.
    """
    plain, conditional = (
        GanFamily(
            name,
            has_labels,
            functools.partial(generator, conditional=has_labels),
            functools.partial(discriminator, conditional=has_labels),
            ways if has_labels else (),
            **rest,
        )
        for name, has_labels in zip(names, (False, True), strict=True)
    )
    return plain, conditional


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
