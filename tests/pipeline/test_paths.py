"""Default folders and how paths are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.paths import Paths, check_output, shown
from trainer.errors import UserError


def test_defaults_lie_below_runs_and_arguments_win(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = Paths.of("r")
    assert paths.output == tmp_path / "runs" / "r" and paths.data == str(tmp_path / "runs" / "data")
    assert Paths.of("r", data="gs://bucket/tfds").data == "gs://bucket/tfds"
    assert paths.serving("m") == paths.output / "serving" / "m"
    assert Paths.of("r", "o", "d") == Paths(tmp_path / "o", str(tmp_path / "d"))


def test_shown_is_the_shorter_form(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == "a/b"
    assert shown("/etc") == "/etc"


def test_an_output_file_needs_a_folder(tmp_path: Path) -> None:
    check_output(tmp_path / "x.png")
    with pytest.raises(UserError, match="there is no folder"):
        check_output(tmp_path / "no" / "x.png")
    with pytest.raises(UserError, match="cannot be written"):
        check_output(tmp_path)
