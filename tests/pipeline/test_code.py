"""The code's fingerprint follows every edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import code


def test_an_edit_and_a_rename_change_it_and_a_copy_does_not(tmp_path: Path, monkeypatch) -> None:
    seen = []
    for name, text in [("a.py", "x = 1\n"), ("a.py", "x = 2\n"), ("b.py", "x = 1\n")]:
        root = tmp_path / str(len(seen))
        (root / "pack" / "sub").mkdir(parents=True)
        (root / "pack" / "sub" / name).write_text(text)
        monkeypatch.setattr(code, "ROOT", root)
        seen.append(code.fingerprint("pack"))
    assert len(set(seen)) == 3
    copy = tmp_path / "copy"
    (tmp_path / "0").rename(copy)
    monkeypatch.setattr(code, "ROOT", copy)
    assert code.fingerprint("pack") == seen[0]


@pytest.mark.parametrize("folder", ["trainer", "components"])
def test_it_covers_the_real_sources(folder: str) -> None:
    assert (code.ROOT / folder / "__init__.py").exists()
    assert code.fingerprint(folder) != code.fingerprint("serving")
