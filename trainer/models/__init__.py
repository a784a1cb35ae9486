"""Model families: one file each, one line each in this table."""

from __future__ import annotations

import importlib
from typing import Any

from trainer.errors import unknown_name

FAMILIES = {
    "cgan": "trainer.models.cgan:FAMILY",
}


def family(name: str) -> Any:
    """Import the family `name` (a `trainer.models.base.GanFamily`).

    Raises:
      UserError: no family has that name.
    """
    if name not in FAMILIES:
        raise unknown_name("model family", name, FAMILIES)
    module, attribute = FAMILIES[name].split(":")
    return getattr(importlib.import_module(module), attribute)
