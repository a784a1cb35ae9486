"""When a container wires a recipe anew, and what it then sees."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from pipeline import config
from pipeline.runners.kubeflow import rebuild


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of images of one's own, and a way to name it."""
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "images" / split / label
            folder.mkdir(parents=True)
            picture(folder / "a.png", 10)
    return tmp_path / "images"


def picture(path: Path, shade: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), (shade, shade, shade)).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())


def state(content: dict, given: dict) -> str:
    ir = rebuild.wire(content, given)
    (node,) = (n for n in ir.nodes if n.pipeline_node.node_info.id == "TfdsExampleGen")
    return node.pipeline_node.parameters.parameters["config"].field_value.string_value


def test_nothing_is_wired_anew_for_the_values_it_was_compiled_with() -> None:
    content = rebuild.offer(config.load("digits_cgan")).content
    assert not rebuild.changed(content, dict(content["folders"]))
    assert rebuild.changed(content, {"output_dir": "/elsewhere"})


def test_new_files_in_a_folder_of_ones_own_reach_a_run_of_an_old_package(own: Path) -> None:
    words = ["data.dataset=image_folder", f"data.folder={own}", "data.image_shape=[28,28,3]"]
    content = rebuild.offer(config.load("digits_cgan", words)).content
    assert rebuild.changed(content, {})
    before = state(content, {})
    assert state(content, {}) == before
    picture(own / "train" / "cat" / "b.png", 200)
    assert state(content, {}) != before
