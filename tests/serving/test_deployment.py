"""A destination's files: the config keeps what a person wrote, the history is checked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from serving.deployment import Destination
from serving.errors import ServingError
from serving.release import Release

LINE = {"time": "2026-01-02T03:04:05.678+00:00", "who": "a@b", "action": "promote"}


@pytest.fixture
def to(tmp_path: Path) -> Destination:
    """A destination with the versions 1 and 2, whose graphs nobody loads."""
    for version in "12":
        folder = tmp_path / "digits" / version
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").touch()
    return Destination.of("digits", tmp_path / "digits")


def test_the_comments_before_the_first_entry_stay(to: Destination) -> None:
    head = "# What is served.\n  # By whom.\n"
    to.restore(f'{head}model_config_list {{\n# lost\nconfig {{ name: "other" }} }}')
    Release(to, None).promote(1, "")
    Release(to, None).promote(2, "")
    assert to.text().startswith(head + "model_config_list {") and to.text().count("#") == 2
    assert to.labels() == {"stable": 2, "previous": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"oops\n", r"history\.jsonl is not one JSON object per line: line 1: "),
        (b"\xff\xfe\n", r"cannot read the history .*history\.jsonl: .*utf-8"),
        (b"[1]\n", r"history\.jsonl line 1 is no line of a history \(time, who, action, version"),
        (json.dumps(LINE | {"version": 1}).encode(), "line 1 is no line of a history"),
        (json.dumps(LINE | {"version": "1", "why": ""}).encode(), "line 1 is no line of a"),
    ],
)
def test_a_history_that_is_none_is_an_error(to: Destination, text: bytes, said: str) -> None:
    Release(to, None).promote(1, "")
    Release(to, None).promote(2, "")
    (to.base / "history.jsonl").write_bytes(text)
    for read in (to.history, lambda: Release(to, None).rollback("")):
        with pytest.raises(ServingError, match=said):
            read()
    assert to.labels() == {"stable": 2, "previous": 1}


def test_nothing_moves_that_the_history_cannot_tell_of(to: Destination, monkeypatch) -> None:
    (to.base / "history.jsonl").mkdir()
    with pytest.raises(ServingError, match=r"cannot read the history .*history\.jsonl"):
        to.history()
    with pytest.raises(ServingError, match=r"history\.jsonl is no file"):
        Release(to, None).promote(1, "")
    (to.base / "history.jsonl").rmdir()
    elsewhere = Destination.of("digits", to.base, to.base.parent / "models.config")
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: Path(p) != to.base and real(p, mode))
    with pytest.raises(ServingError, match=r"cannot write in '.*/digits': changes are made by who"):
        Release(elsewhere, None).promote(1, "")
    assert elsewhere.text() is None


def test_a_history_that_fills_the_disk_is_an_error(to: Destination) -> None:
    (to.base / "history.jsonl").symlink_to("/dev/full")
    with pytest.raises(ServingError, match=r"'promote' of version 1 is done, but .*No space left"):
        to.record("promote", version=1)
