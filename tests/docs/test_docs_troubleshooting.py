"""The errors on docs/troubleshooting.md are words of the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from trainer.errors import unknown_name

ROOT = Path(__file__).parents[2]
GAP = "\N{HORIZONTAL ELLIPSIS}"
TITLES = re.findall(
    r"^### `(.*)`$", (ROOT / "docs" / "troubleshooting.md").read_text(), re.MULTILINE
)


def literal(node: ast.AST) -> str | None:
    """Write a string of the source as a person sees it, what is filled in as a gap."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) or GAP for part in node.values)
    return None


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Every string of the program, and the lines of the Makefile."""
    texts = (ROOT / "Makefile").read_text().splitlines()
    for folder in ("pipeline", "components", "trainer", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            texts += filter(None, map(literal, ast.walk(ast.parse(path.read_text()))))
    return [*texts, str(unknown_name("recipe key", "train.stps", ["train.steps"]))]


def pieces(title: str) -> list[str]:
    return [re.escape(piece.strip()) for piece in title.split(GAP) if len(piece.strip()) > 3]


def test_there_are_some() -> None:
    assert len(TITLES) > 20


@pytest.mark.parametrize("title", TITLES)
def test_an_error_is_one_that_is_told(title: str, said: list[str]) -> None:
    pattern = re.compile(".*".join(pieces(title)), re.DOTALL)
    assert any(pattern.search(text) for text in said)
