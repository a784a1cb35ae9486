"""Commands about what ran, on a metadata file as TFX leaves it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.history import runs, show
from trainer.errors import UserError


@pytest.fixture
def ask(output: Path):
    """Run a command on the output folder and return what it prints."""

    def run(*words: str) -> str:
        given = [*words, "--output-dir", str(output)]
        return CliRunner().invoke(cli.cli, given, catch_exceptions=False).output

    return run


def test_runs_are_listed_newest_first_with_verdict_and_push(ask) -> None:
    lines = ask("runs", "toy_gan").splitlines()
    assert lines[0].split() == ["RUN", "WHEN", "TOOK", "NODES", "VERDICT", "PUSHED", "SCORES"]
    assert [line.split()[0] for line in lines[1:]] == ["toy_gan:3", "toy_gan:2", "toy_gan:1"]
    assert "4 ran" in lines[1] and "not blessed" in lines[1] and "fid_toy_1k 7.5" in lines[1]
    assert "4 cached" in lines[2] and " 17 " in lines[2] and "fid_toy_1k 0.25" in lines[2]


def test_json_holds_every_node_and_score(ask) -> None:
    told = json.loads(ask("runs", "toy_gan:1", "--json"))
    assert [node["state"] for node in told[0]["nodes"]] == ["done"] * 4
    assert told[0]["scores"] == {"fid_toy_1k": {"value": 0.25, "error": 0.01}}
    assert told[0]["pushed_version"] == "17" and told[0]["verdict"] == "blessed"
    assert len(json.loads(ask("runs", "toy_gan", "--json", "--last", "2"))) == 2


def test_one_run_is_told_node_by_node(ask) -> None:
    text = ask("runs", "toy_gan:3")
    assert "Trainer" in text and "fid_toy_1k is 7.5" in text and "report.html" in text


def test_compare_tells_what_differs_and_no_places(ask, tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    text = ask("compare", "toy_gan:1", "toy_gan:3", "--out", str(page))
    assert re.search(r"^train\.steps +100 +5$", text, re.M) and "checkpoint_root" not in text
    assert re.search(r"^fid_toy_1k +0\.25 ± 0\.01 +7\.5 ± 0\.01$", text, re.M)
    html = page.read_text()
    assert html.count("data:image/png;base64,") == 2 and "train.steps" in html
    told = json.loads(ask("compare", "toy_gan:1", "toy_gan:2", "--json"))
    assert told["settings"] == {}


def test_figures_of_different_extractors_are_not_compared(output, ask, tmp_path) -> None:
    from pipeline.history import compare

    other = runs.find("toy_gan:3", str(output))
    other.evaluation["protocol"]["extractor_fingerprint"] = "xyz"
    with pytest.raises(UserError, match=r"differ in extractor .*--force"):
        compare._check_protocols([runs.find("toy_gan:1", str(output)), other])


def test_lineage_goes_back_to_the_run_that_trained(ask, output) -> None:
    for name in ("toy_gan:2", "17", str(output / "serving" / "toys" / "17")):
        text = ask("lineage", name)
        assert "made by toy_gan:1" in text, name
        assert "train: 1,297 records of 'train[:90%]'" in text
        assert "steps 100" in text and "version 17 in" in text


def test_report_prints_the_path(ask, output) -> None:
    assert Path(ask("report", "toy_gan:1").strip()).resolve().read_text() == "<p>report"
    assert json.loads(ask("report", "toy_gan:1", "--json"))["report"].endswith("report.html")


def test_a_run_without_a_report_names_the_newest_that_has_one(output, monkeypatch) -> None:
    torn = SimpleNamespace(name="toy_gan:4", recipe="toy_gan", report=None)
    monkeypatch.setattr(show, "find", lambda *_: torn)
    with pytest.raises(UserError, match=r"toy_gan:4 has no report: .*did is toy_gan:3"):
        show.report("toy_gan", False, str(output))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy_gan:9", "unknown run 'toy_gan:9'.*toy_gan:1, toy_gan:2, toy_gan:3"),
        ("toy_gan:x", "unknown run"),
    ],
)
def test_a_run_that_is_not_there_is_one_line(output, name, message) -> None:
    with pytest.raises(UserError, match=message):
        runs.find(name, str(output))


def test_nothing_ran_yet(tmp_path) -> None:
    with pytest.raises(UserError, match=r"no run in .* yet: run a recipe"):
        runs.find("toy_gan", str(tmp_path))


def test_the_folders_page_links_what_is_there_and_shows_each_sheet_once(output) -> None:
    from pipeline.history import index

    html = index.write(output).read_text()
    shown = re.findall(r"alt=.samples of (\S+?)\"", html)
    assert shown == ["toy_gan:3", "toy_gan:1"], "the cached run shows no sheet of its own"
    for link in re.findall(r'(?:href|src)="([^"]+)"', html):
        assert (output / link).exists() and not link.startswith("/")
    assert html.count(">blessed<") == 2 and html.count(">not blessed<") == 1
