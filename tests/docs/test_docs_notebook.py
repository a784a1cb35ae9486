"""The notebook runs from its first cell to its last, and shows what it says."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.filterwarnings("ignore::Warning:zmq")


@pytest.fixture(scope="module")
def notebook(docs: Path) -> nbformat.NotebookNode:
    return nbformat.read(docs / "walkthrough.ipynb", as_version=4)


def test_it_is_kept_without_outputs(notebook) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 9
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@pytest.mark.slow
def test_it_runs_and_shows_what_it_says(notebook, tmp_path: Path) -> None:
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    told = "".join(out.get("text", "") for out in outputs if out.get("name") == "stdout")
    assert "did you mean 'train.steps'?" in told
    ended = re.findall(r"^\[\d+/\d+\] (\w+) +done +[\d.]+ s$", told, re.MULTILINE)
    assert {"TfdsExampleGen", "Trainer"} <= set(ended) and ended[-1] == "Pusher"
    assert "digits_cgan:1 blessed" in told
    assert re.search(r"^fid_digits-cnn_500 +[\d.]+ ± [\d.]+$", told, re.MULTILINE)
    assert "train: 1,297 records of 'train'" in told
    assert "(10, 28, 28, 1) uint8 version" in told
    assert "the same seven again: True" in told
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 2
    assert list(tmp_path.iterdir()) == []
