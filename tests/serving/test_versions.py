"""Version folders: which names count, which are wanted, when they change."""

from __future__ import annotations

import pytest

from serving import versions


@pytest.mark.parametrize(
    ("name", "version"),
    [("1", 1), ("00000123", 123), (" 7 ", 7), ("1763700000", 1763700000), ("-1", -1)]
    + [
        (n, None)
        for n in ("tmp", "1.bak", "temp-123", "1_0", "\u00b2", "\u0661", "\uff11", "", "9" * 20)
    ],
)
def test_only_decimal_int64_names_are_versions(name, version):
    assert versions.parse_version(name) == version


def test_scan_finds_folders_and_files_but_no_other_names(tmp_path):
    for name in ("1", "0002", "tmp-3", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").write_text("a file")
    assert sorted(versions.scan(tmp_path)) == [1, 2, 7]
    with pytest.raises(OSError):
        versions.scan(tmp_path / "missing")


def test_policies_choose_highest_first_and_numerically():
    there = [9, 10, 2]
    assert versions.choose(versions.Policy(), there) == [10]
    assert versions.choose(versions.Policy(latest={"num_versions": 0}), there) == [10]
    assert versions.choose(versions.Policy(latest={"num_versions": 2}), there) == [10, 9]
    assert versions.choose(versions.Policy(all={}), there) == [10, 9, 2]
    assert versions.choose(versions.Policy(specific={"versions": [2, 5]}), there) == [2]


def test_a_fingerprint_changes_with_the_contents(tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "data").write_bytes(b"1")
    before = versions.fingerprint(tmp_path)
    assert versions.fingerprint(tmp_path) == before
    (tmp_path / "variables" / "data").write_bytes(b"12")
    assert versions.fingerprint(tmp_path) != before
