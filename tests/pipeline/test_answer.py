"""The answer of a pushed version: asked once, told again, and what to do when it is gone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipeline import answer, config
from pipeline.console import Console
from pipeline.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths.of("digits_cgan", str(tmp_path))
    (paths.serving("digits") / "7").mkdir(parents=True)
    asked = {"version": 7, "time": "2026-01-02 03:04:05", "line": "10 images by version 7"}
    (tmp_path / answer.ASKED).write_text(json.dumps(asked))
    (tmp_path / answer.ANSWER).write_bytes(b"png")
    return paths


def told(paths: Paths) -> str:
    stream = io.StringIO()
    answer.tell(config.load("digits_cgan"), paths, Console(stream))
    return stream.getvalue()


def test_a_version_that_was_asked_is_not_asked_again(paths: Paths) -> None:
    # There is no model in the folder: whoever asked it would fail.
    assert "10 images by version 7, asked at 2026-01-02 03:04:05" in told(paths)


@pytest.mark.parametrize("change", ["newer", "gone", "broken"])
def test_a_new_version_or_a_lost_answer_is_asked(paths: Paths, change: str, monkeypatch) -> None:
    if change == "newer":
        (paths.serving("digits") / "8").mkdir()
    elif change == "gone":
        (paths.output / answer.ANSWER).unlink()
    else:
        (paths.output / answer.ASKED).write_text("{")
    monkeypatch.setattr(answer, "_ask", lambda *_: "asked anew")
    assert "asked anew" in told(paths)


def test_removed_versions_are_said_to_be(paths: Paths) -> None:
    (paths.serving("digits") / "7").rmdir()
    assert "every version was removed since; genvision run digits_cgan --from Pusher" in told(paths)
