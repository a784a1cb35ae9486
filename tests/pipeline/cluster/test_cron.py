"""Cron lines: five fields in, words and three dialects out."""

from __future__ import annotations

import pytest

from pipeline.cluster import cron
from trainer.errors import UserError


@pytest.mark.parametrize(
    ("line", "kfp", "systemd", "words"),
    [
        ("0 3 * * 1", "0 0 3 * * 1", "Mon *-*-* 03:00:00", "At 03:00 on Monday"),
        (" 30  2 * * 7 ", "0 30 2 * * 0", "Sun *-*-* 02:30:00", "At 02:30 on Sunday"),
        ("*/20 9-11 * * MON-FRI", "0 */20 9-11 * * 1,2,3,4,5",
         "Mon,Tue,Wed,Thu,Fri *-*-* 09,10,11:00,20,40:00",
         "Every 20th minute from 09:00 through 11:59 on Monday through Friday"),
        ("0 3 * * 5-7", "0 0 3 * * 0,5,6", "Sun,Fri,Sat *-*-* 03:00:00",
         "At 03:00 on Friday through Sunday"),
        ("0 4 1 jan,jul *", "0 0 4 1 1,7 *", "*-01,07-01 04:00:00",
         "At 04:00 on the first day of January and July"),
        ("@weekly", "0 0 0 * * 0", "Sun *-*-* 00:00:00", "At 00:00 on Sunday"),
        ("17 3 27 * *", "0 17 3 27 * *", "*-*-27 03:17:00",
         "At 03:17 on the 27th day of every month"),
    ],
)  # fmt: skip
def test_dialects(line: str, kfp: str, systemd: str, words: str) -> None:
    schedule = cron.parse(line)
    assert (schedule.kfp, schedule.systemd, schedule.words) == (kfp, systemd, words)
    assert cron.words_of(schedule.kfp).startswith(words.split(" on ")[0])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0 3 * * 1", "has 6 fields, not 5 (minute, hour, day of month, month, day of week); "
         "leave out the seconds"),
        ("0 3 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("61 3 * * *", "wrong at the minute"),
        ("0 24 * * *", "wrong at the hour"),
        ("0 3 31 2 *", "wrong at the day of month"),
        ("0 3 * 13 *", "wrong at the month"),
        ("0 3 * * Mo", "wrong at the day of week"),
        ("0 3 L * *", "L and # are not known"),
        ("0 3 * * 1#2", "L and # are not known"),
        ("0 3 * * 8", "wrong at the day of week"),
    ],
)  # fmt: skip
def test_mistakes(line: str, why: str) -> None:
    with pytest.raises(UserError) as caught:
        cron.parse(line)
    assert why in str(caught.value)


def test_either_or_is_not_for_systemd() -> None:
    schedule = cron.parse("0 0 1,15 * 5")
    assert schedule.kfp == "0 0 0 1,15 * 5"
    with pytest.raises(UserError, match="names days of the month and of the week"):
        _ = schedule.systemd


def test_lines_of_others_are_shown_as_they_are() -> None:
    assert cron.words_of("@every 1h") == "@every 1h"
    assert cron.words_of("30 0 3 * * 1") == "30 0 3 * * 1"
