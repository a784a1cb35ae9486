"""What the header of a packaged recipe states: command, hardware, wall time and measured score."""

from __future__ import annotations

import re
from typing import Any

from pipeline import config

STATED = ("Command", "Hardware", "Wall time", "Score")
"""What a header may state, one after the other, each on lines of its own."""

_BEGIN = re.compile(rf"({'|'.join(STATED)}):\s*(.*)")


def facts(name: str) -> dict[str, str]:
    """Read the header of a packaged recipe.

    Returns:
      Statement -> its text in one line; what the header does not state is missing.
    """
    found: dict[str, str] = {}
    current = ""
    for line in config.header(name).splitlines():
        begins = _BEGIN.match(line)
        if begins:
            current = begins[1]
            found[current] = begins[2]
        elif current and line:
            found[current] += f" {line}"
        else:
            current = ""
    return found


def recipes() -> list[dict[str, Any]]:
    """Describe every packaged recipe: what it trains on what, and what its header states."""
    found = []
    for name in config.names():
        recipe = config.read(name)
        found.append(
            {
                "name": name,
                "dataset": recipe.data.dataset,
                "family": recipe.model.family,
                "steps": recipe.train.steps,
                "description": recipe.description,
                "header": facts(name),
            }
        )
    return found
