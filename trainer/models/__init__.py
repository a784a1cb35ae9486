"""Model families: one file each, one line each in this table."""

from __future__ import annotations

import importlib
from typing import Any, Literal, NamedTuple

from trainer.errors import unknown_name

Task = Literal["image", "caption", "value"]


class Line(NamedTuple):
    """One line of the table.

    Attributes:
      task: What the family makes: it decides which settings a recipe has.
      path: "module:object".
      conditional: Whether it is asked for a class beside the seed.
    """

    task: Task
    path: str
    conditional: bool = False


FAMILIES = {
    "cgan": Line("image", "trainer.models.cgan:FAMILY", conditional=True),
    "dcgan_transposed": Line("image", "trainer.models.dcgan_transposed:UNCONDITIONAL"),
    "dcgan_transposed_cgan": Line(
        "image", "trainer.models.dcgan_transposed:CONDITIONAL", conditional=True
    ),
    "dcgan_upsampling": Line("image", "trainer.models.dcgan_upsampling:FAMILY"),
    "dense_cgan": Line("image", "trainer.models.dense:CONDITIONAL", conditional=True),
    "dense_gan": Line("image", "trainer.models.dense:UNCONDITIONAL"),
    "gaussian_cgan": Line("value", "trainer.models.gaussian:CONDITIONAL", conditional=True),
    "gaussian_gan": Line("value", "trainer.models.gaussian:UNCONDITIONAL"),
    "residual_cgan": Line("image", "trainer.models.residual:CONDITIONAL", conditional=True),
    "residual_gan": Line("image", "trainer.models.residual:UNCONDITIONAL"),
    "attention_gru": Line("caption", "trainer.models.attention_gru:FAMILY"),
    "transformer": Line("caption", "trainer.models.transformer:FAMILY"),
}


def family(name: str) -> Any:
    """Import the family `name`.

    Raises:
      UserError: no family has that name.
    """
    module, attribute = _line(name).path.split(":")
    return getattr(importlib.import_module(module), attribute)


def task_of(name: str) -> Task:
    """Say what the family `name` makes, without importing it.

    Raises:
      UserError: no family has that name.
    """
    return _line(name).task


def _line(name: str) -> Line:
    if name not in FAMILIES:
        raise unknown_name("model family", name, FAMILIES)
    return FAMILIES[name]
