"""Self-contained HTML pages about runs, in the look of the evaluation report."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

HERE = Path(__file__).parent / "templates"
LOOK = Path(__file__).parents[2] / "components" / "evaluator" / "templates"
"""The evaluation report's templates: its style sheet is ours."""


def fill(template: str, **values: Any) -> str:
    """Fill one of the templates here."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, LOOK]), autoescape=True, trim_blocks=True
    )
    return environment.get_template(template).render(**values)


def picture(file: Path) -> str:
    """Return a PNG or GIF as a data address; empty when there is no such file."""
    if not file.exists():
        return ""
    kind = file.suffix.removeprefix(".")
    return f"data:image/{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"
