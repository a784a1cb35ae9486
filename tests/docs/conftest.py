"""The pages, and the code blocks on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="session")
def docs() -> Path:
    return DOCS


@pytest.fixture(scope="session")
def blocks() -> Callable[[str, str], list[str]]:
    """Return the function (page, language) -> code blocks."""

    def find(page: str, language: str) -> list[str]:
        text = (DOCS / page).read_text(encoding="utf-8")
        return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)

    return find


@pytest.fixture(scope="session")
def named_blocks() -> Callable[[str], dict[str, str]]:
    """Return the function page -> code blocks that follow the name of their file."""

    def find(page: str) -> dict[str, str]:
        text = (DOCS / page).read_text(encoding="utf-8")
        pattern = r"^`([\w./]+)`[:;][^`]*?(?:`[^`\n]+`[^`]*?)*^```\w+\n(.*?)^```"
        return dict(re.findall(pattern, text, re.MULTILINE | re.DOTALL))

    return find
