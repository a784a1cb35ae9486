"""Decisions as files: whole, signed, about one model alone; and waiting for one."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest

from components.approval import decision, executor, request
from components.approval.settings import Approve
from trainer.errors import RunFailed, UserError

YES = decision.Decision("f00d", True, "ada", "looks right", "2026-01-02T03:04:05+00:00")


def test_a_decision_comes_back_as_written(tmp_path: Path) -> None:
    path = decision.write(tmp_path / "new", YES)
    assert path.name == "f00d.json" and decision.read(tmp_path / "new", "f00d") == YES
    assert decision.read(tmp_path / "new", "other") is None
    assert str(YES) == "approved by ada at 2026-01-02T03:04:05+00:00: looks right"
    assert [file.name for file in path.parent.iterdir()] == ["f00d.json"]


def test_a_signature_holds_every_word() -> None:
    signed = YES.signed(b"secret")
    signed.check(b"secret")
    YES.check(None)
    for change in ({"approved": False}, {"by": "bob"}, {"note": ""}, {"model": "beef"}):
        with pytest.raises(UserError, match="wrongly signed"):
            dataclasses.replace(signed, **change).check(b"secret")
    with pytest.raises(UserError, match="by 'ada' is not signed"):
        YES.check(b"secret")
    with pytest.raises(UserError, match="wrongly signed"):
        signed.check(b"another")


@pytest.mark.parametrize("text", ["", "{}", '{"model": "f00d"}', "[1]"])
def test_a_file_that_is_no_decision_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "f00d.json").write_text(text)
    with pytest.raises(UserError, match="is no approval"):
        decision.read(tmp_path, "f00d")


def test_a_copied_decision_approves_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "beef.json").write_text(json.dumps(dataclasses.asdict(YES)))
    with pytest.raises(UserError, match="approves another model"):
        decision.read(tmp_path, "beef")


def test_keys_that_cannot_be_used(tmp_path: Path) -> None:
    assert decision.read_key(None) is None
    (tmp_path / "key").write_bytes(b" s3cret\n")
    assert decision.read_key(str(tmp_path / "key")) == b"s3cret"
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(UserError, match="is empty"):
        decision.read_key(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="cannot be read"):
        decision.read_key(str(tmp_path / "none"))


def test_waiting_ends_with_the_decision(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(executor, "POLL_S", 0.01)
    later = threading.Timer(0.1, decision.write, (tmp_path, YES))
    later.start()
    assert executor.wait(tmp_path, "f00d", Approve(required=True), "run", "toy") == YES
    assert "genvision approve toy --by NAME" in capsys.readouterr().err


def test_waiting_ends_without_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(executor, "POLL_S", 0.01)
    began = time.monotonic()
    with pytest.raises(RunFailed, match="nobody approved the model within 1e-05 h: not pushed"):
        executor.wait(tmp_path, "f00d", Approve(required=True, hours=1e-5), "run", "toy")
    assert time.monotonic() - began < 5


def test_a_further_attempt_of_a_run_waits_no_longer_and_a_new_run_asks_again(tmp_path) -> None:
    day = Approve(required=True, hours=24, key_file="key")
    first = request.made(tmp_path, "f00d", day, "run-1")
    assert first.ends == pytest.approx(time.time() + 24 * 3600, abs=60)
    assert request.made(tmp_path, "f00d", day, "run-1") == first
    assert request.read(tmp_path, "f00d") == first and first.key_file == "key"
    again = request.made(tmp_path, "f00d", Approve(required=True, hours=48), "run-2")
    assert again.ends > first.ends + 23 * 3600 and request.read(tmp_path, "f00d") == again
    assert request.read(tmp_path, "beef") is None
    assert decision.read(tmp_path, "f00d") is None


def test_an_unsigned_decision_is_refused_where_signatures_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"secret")
    decision.write(tmp_path, YES)
    settings = Approve(required=True, key_file=str(tmp_path / "key"))
    with pytest.raises(UserError, match="not signed"):
        executor.wait(tmp_path, "f00d", settings, "run", "toy")
    decision.write(tmp_path, YES.signed(b"secret"))
    assert executor.wait(tmp_path, "f00d", settings, "run", "toy").approved
