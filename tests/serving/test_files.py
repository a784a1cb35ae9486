"""Files appear whole or not at all; a folder has one process at a time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.files import alone, write_whole


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "a.png"
    write_whole(file, "é")
    assert file.read_bytes() == "é".encode()

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ServingError, match=r"cannot write .*a\.png: No space left on device"):
        write_whole(file, b"new", durable=True)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", "é".encode())]


def test_a_folder_is_held_until_it_is_left(tmp_path: Path) -> None:
    with (
        alone(tmp_path, "busy"),
        pytest.raises(ServingError, match=r"^busy$"),
        alone(tmp_path, "busy"),
    ):
        pass
    with alone(tmp_path, "busy"):
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ServingError, match="No such file or directory"), alone(tmp_path / "a", ""):
        pass
