"""The shape of the tree: the README's map, the size budget, borders that imports do not show."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("pipeline", "components", "trainer", "serving", "kubeflow")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def test_the_readme_maps_the_tree() -> None:
    """Every top-level folder and every package below it has its line in the map."""
    block = re.search(r"## The map\n.*?```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block, "README.md has no map"
    named = {line.split()[0] for line in block[1].splitlines() if line.strip()}
    there = {f"{folder}/" for folder in (*FOLDERS, "tests")}
    there |= {
        f"{path.parent.relative_to(ROOT)}/"
        for path in SOURCES
        if path.name == "__init__.py" and path.parent.parent != ROOT
    }
    assert there - named == set()
    for name in named:
        assert (ROOT / name).exists(), f"the map names {name}, which is not there"


def test_files_and_functions_keep_to_the_size_budget() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in SOURCES}
    assert statistics.median(lengths.values()) <= 120
    assert {path: n for path, n in lengths.items() if n > 350} == {}
    long = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []


def test_every_module_says_its_job_in_its_first_line() -> None:
    for path in SOURCES:
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
        assert len(first) > 15, path


def test_components_keep_constructor_and_work_apart() -> None:
    for path in (ROOT / "components").glob("*/component.py"):
        assert (path.parent / "executor.py").exists(), path
        assert "import tensorflow" not in path.read_text(), path


def test_components_are_wired_in_one_place() -> None:
    calls = [path.name for path in SOURCES if re.search(r"\bTrainer\(\n", path.read_text())]
    assert calls == ["build.py"]


@pytest.mark.parametrize("word", ["/work/", "/root/", "pypi.org", "://registry"])
def test_nothing_of_one_machine_is_in_the_repository(word: str) -> None:
    """No path of a machine and no registry's address in any tracked file."""
    found = subprocess.run(
        ["git", "grep", "-l", "-F", word, "--", ":!tests/test_architecture.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode > 1:
        pytest.skip("not a git checkout")
    assert found.stdout == ""
