"""The site as mkdocs makes it: strict, whole, and without another host."""

from __future__ import annotations

import logging
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from pipeline import config, headers

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; any warning of mkdocs is an error."""
    folder = tmp_path_factory.mktemp("site")
    settings = load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder))
    before = list(logging.getLogger("mkdocs").handlers)
    build(settings)
    logging.getLogger("mkdocs").handlers[:] = before
    return folder


def test_every_page_is_there(site: Path, docs: Path) -> None:
    for page in (path.stem for path in docs.glob("*.md") if path.stem != "index"):
        assert (site / page / "index.html").is_file(), page
    assert "Kubeflow Pipelines" in (site / "kubeflow" / "index.html").read_text()
    assert (site / "walkthrough.ipynb").is_file()
    assert not (site / "mkdocs_hooks.py").exists()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pattern = r"<(?:script|link|img|iframe)[^>]*?(?:src|href)=\"(https?:)?//"
    for page in site.rglob("*.html"):
        assert re.search(pattern, page.read_text()) is None, page


def test_the_table_of_recipes_is_their_headers(site: Path) -> None:
    page = (site / "recipes" / "index.html").read_text()
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>.*?</tr>", page, re.S)]
    table = {row[0]: row for row in rows if row}
    for name in config.names():
        stated = headers.facts(name)
        row = table[f"<code>{name}</code>"]
        assert row[-2:] == [stated.get(key, "not measured yet") for key in ("Wall time", "Score")]
    score = table["<code>digits_cgan</code>"][-1]
    assert re.match(r"fid_digits-cnn_2k 0\.\d+", score)
    assert score in config.header("digits_cgan").replace("\n", " ")


def test_no_measured_figure_is_typed_twice(docs: Path) -> None:
    """Scores and wall times of recipes stand in their headers only."""
    for name in config.names():
        for text in (headers.facts(name).get(key, "") for key in ("Wall time", "Score")):
            for figure in re.findall(r"\d+\.\d{2,}|\d+ s\b", text):
                for page in docs.glob("*.md"):
                    assert figure not in page.read_text(), f"{page.name}: {figure} of {name}"


def test_a_header_may_go_on_over_lines(monkeypatch) -> None:
    text = "Title.\n\nCommand:   go\nScore:     fid 1.0,\nrecall 0.5\n\nmore: text"
    monkeypatch.setattr(config, "header", lambda name: text)
    assert headers.facts("any") == {"Command": "go", "Score": "fid 1.0, recall 0.5"}


def test_the_picture_is_well_formed_and_knows_both_modes(docs: Path) -> None:
    text = (docs / "architecture.svg").read_text()
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and "prefers-color-scheme: dark" in text
    variables = set(re.findall(r"var\((--\w+)\)", text))
    light, dark = re.findall(r":root \{(.*?)\}", text)
    for colours in (light, dark):
        assert variables <= set(re.findall(r"(--\w+):", colours))


def test_the_picture_names_the_nodes_that_there_are(docs: Path) -> None:
    from pipeline import nodes

    text = (docs / "architecture.svg").read_text()
    short = {
        "StatisticsGen": "Statistics",
        "ReviewedSchema": "Schema",
        "ExampleValidator": "Validator",
    }
    for node in nodes.NODES:
        assert short.get(node, node) in text, node


def test_files_named_in_the_text_exist(docs: Path) -> None:
    pattern = r"`((?:kubeflow|serving|pipeline|docs|trainer|components|tests)/[\w./-]+)`"
    made_up = {"components/datasets/bars.py", "components/schemas/bars.pbtxt",
               "trainer/models/linear.py", "components/metrics/confidence.py"}  # fmt: skip
    for page in docs.glob("*.md"):
        for path in set(re.findall(pattern, page.read_text())) - made_up:
            assert (ROOT / path).exists(), f"{page.name}: {path}"
