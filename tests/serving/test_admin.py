"""Waiting for a server: what ends it at once, what ends it late, and with which words."""

from __future__ import annotations

import pytest

from serving.admin import Admin, NotYetError
from serving.client import VersionStatus
from serving.errors import ServingError

BROKEN = VersionStatus(4, "END", "no graph in it")
LOADING = VersionStatus(4, "LOADING", "")


class Told(Admin):
    """An admin whose server says one thing after the other, the last one for good."""

    def __init__(self, *rows: VersionStatus | None, wait_s: float) -> None:
        super().__init__("127.0.0.1:1", "digits", wait_s=wait_s)
        self.rows = list(rows)

    def states(self) -> dict[int, VersionStatus]:
        row = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        return {row.version: row} if row else {}


def test_an_old_error_may_be_cured_but_is_told_if_it_is_not() -> None:
    failed = {4: BROKEN.error}
    Told(BROKEN, BROKEN, VersionStatus(4, "AVAILABLE", ""), wait_s=20).await_available({4}, failed)
    with pytest.raises(ServingError, match=r"cannot load version 4 of 'digits': no graph") as told:
        Told(BROKEN, wait_s=0.2).await_available({4}, failed)
    assert not isinstance(told.value, NotYetError)


@pytest.mark.parametrize("failed", [{}, {4: BROKEN.error}])
def test_the_same_error_after_another_try_ends_the_waiting(failed) -> None:
    with pytest.raises(ServingError, match="cannot load version 4"):
        Told(LOADING, BROKEN, wait_s=600).await_available({4}, failed)


def test_a_server_that_says_nothing_of_a_version_is_late() -> None:
    with pytest.raises(
        NotYetError, match=r"after 0.2 s: version 4 is unknown to it, not AVAILABLE"
    ):
        Told(None, wait_s=0.2).await_available({4}, {})
