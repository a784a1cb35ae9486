"""What a run suggests: only what works from there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pipeline import config, run, summary
from pipeline.console import Console
from pipeline.paths import Paths


def suggested(paths: Paths, judged: bool, recipe: str = "digits_cgan") -> list[str]:
    stream = io.StringIO()
    summary._suggest(config.load(recipe), paths, judged, Console(stream))
    lines = stream.getvalue().split("try next\n")[1].splitlines()
    return [line.split(None, 1)[1].split(" --output-dir")[0] for line in lines]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.of("digits_cgan", str(tmp_path))


def test_nothing_is_asked_of_a_model_that_is_not_there(paths: Paths) -> None:
    assert suggested(paths, judged=False) == ["inspect digits_cgan", "run digits_cgan"]
    assert suggested(paths, judged=True) == ["report digits_cgan", "run digits_cgan"]


@pytest.mark.parametrize(
    ("recipe", "command"),
    [
        ("digits_cgan", "generate --recipe digits_cgan"),
        ("scenes_captions", "caption --recipe scenes_captions"),
    ],
)
def test_a_pushed_model_can_be_asked(recipe: str, command: str, paths: Paths) -> None:
    model = config.load(recipe).push.model_name
    (paths.serving(model) / "3").mkdir(parents=True)
    assert suggested(paths, True, recipe) == [command, f"run {recipe}", f"serve {recipe}"]


def test_settings_that_are_not_given_are_not_told(paths: Paths) -> None:
    lines = run.describe(config.load("digits_cgan", ["evaluate.margins={}"]), paths)
    data = next(line for line in lines if line.startswith("data "))
    assert data == "data     dataset digits, train train, eval test"
    assert not any(line.startswith("beam") or "margins" in line for line in lines)


def test_long_sections_go_on_below_their_first_word(paths: Paths) -> None:
    lines = run.describe(config.load("digits_cgan"), paths)
    assert max(map(len, lines)) <= 100
    train = next(i for i, line in enumerate(lines) if line.startswith("train "))
    assert lines[train + 1].startswith(" " * 9) and lines[train + 1][9] != " "
    assert "watch.patience 20" in " ".join(line.strip() for line in lines)
