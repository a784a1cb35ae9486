"""What the site is built with besides its pages: the table of recipes, and Kubeflow's own page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from pipeline import headers

ROOT = Path(__file__).parents[1]
RECIPES = "<!-- recipes -->"
"""Stands on a page where the table goes."""

NOT_STATED = "not measured yet"


def on_files(files: Files, config: Any) -> Files:
    """Add pages that live beside what they describe."""
    text = (ROOT / "kubeflow" / "README.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "kubeflow.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of recipes where a page asks for it."""
    return markdown.replace(RECIPES, recipe_table()) if RECIPES in markdown else markdown


def recipe_table() -> str:
    """Write every packaged recipe as a row, measured figures from its header."""
    rows = ["| recipe | what it does | wall time | score |", "|---|---|---|---|"]
    for recipe in headers.recipes():
        header = recipe["header"]
        measured = [header.get(key, NOT_STATED) for key in ("Wall time", "Score")]
        what = f"{recipe['description']} ({recipe['dataset']}, {recipe['family']})"
        cells = [f"`{recipe['name']}`", what, *measured]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)
