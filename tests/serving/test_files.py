"""Files appear whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.files import write_whole


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "a.png"
    write_whole(file, "é")
    assert file.read_bytes() == "é".encode()
    whole = Path.write_bytes

    def half(self, data):
        whole(self, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(ServingError, match=r"cannot write .*a\.png: No space left on device"):
        write_whole(file, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.png", "é".encode())]
