"""Cron lines as people write them: checked, put into words, translated for KFP and systemd."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

from trainer.errors import UserError

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
EXAMPLE = '"0 3 * * 1" is every Monday at 03:00'
_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Schedule:
    """A valid line of five fields."""

    line: str
    """minute, hour, day of month, month, day of week, one space between them"""
    words: str
    upcoming: datetime.datetime
    """the next time from now on, in the time zone of this machine"""
    values: tuple[tuple[int, ...], ...]
    """per field the numbers it stands for, sorted; Sunday is 0"""

    @property
    def kfp(self) -> str:
        """The line with KFP's six fields: seconds first, Sunday 0 only, names as numbers.

        KFP's reader takes five fields too, but as second, minute, hour, day, month.
        """
        parts = [
            part if re.fullmatch(r"[\d*,/-]+", part) else _listed(values)
            for part, values in zip(self.line.split(), self.values, strict=True)
        ]
        if "7" in parts[4]:
            parts[4] = _listed(self.values[4])
        return " ".join(["0", *parts])

    @property
    def systemd(self) -> str:
        """The line as systemd's OnCalendar.

        Raises:
          UserError: Both a day of the month and a day of the week are given: cron means either,
            systemd both.
        """
        parts = self.line.split()
        if parts[2] != "*" and parts[4] != "*":
            raise UserError(
                f"cron line '{self.line}' names days of the month and of the week; systemd knows "
                "no either-or: use --with crontab, or two schedules"
            )
        minute, hour, day, month = (
            "*" if part == "*" else ",".join(f"{value:02d}" for value in values)
            for part, values in zip(parts[:4], self.values[:4], strict=True)
        )
        week = "" if parts[4] == "*" else ",".join(_DAYS[day] for day in self.values[4]) + " "
        return f"{week}*-{month}-{day} {hour}:{minute}:00"


def parse(line: str) -> Schedule:
    """Check a cron line.

    Args:
      line: Five fields, or `@daily` and the like.

    Raises:
      UserError: Another number of fields, or a field that cron or KFP does not take; the message
        names it.
    """
    from cronsim import CronSim, CronSimError

    line = " ".join(_WORDS.get(line.strip().lower(), line).split())
    count = len(line.split())
    if count != len(FIELDS):
        extra = "; leave out the seconds" if count == len(FIELDS) + 1 else ""
        raise UserError(
            f"cron line '{line}' has {count} fields, not 5 ({', '.join(FIELDS)}){extra}; {EXAMPLE}"
        )
    try:
        parsed = CronSim(line, datetime.datetime.now().astimezone())
        upcoming, words = next(parsed), parsed.explain()
    except (CronSimError, StopIteration) as error:
        what = str(error).removeprefix("Bad ").replace("-", " ") or FIELDS[2]
        raise UserError(f"cron line '{line}' is wrong at the {what}; {EXAMPLE}") from None
    numbers: list[set[Any]] = [
        parsed.minutes,
        parsed.hours,
        parsed.days,
        parsed.months,
        set(parsed.weekdays),
    ]
    if any(not isinstance(value, int) or value < 0 for values in numbers for value in values):
        raise UserError(
            f"cron line '{line}': L and # are not known to KFP and systemd; name days by number"
        )
    numbers[4] = {day % 7 for day in parsed.weekdays if isinstance(day, int)}
    return Schedule(line, words, upcoming, tuple(tuple(sorted(values)) for values in numbers))


def words_of(kfp: str) -> str:
    """Put a line with KFP's six fields into words; as it is when it is none of ours."""
    seconds, _, line = kfp.partition(" ")
    try:
        return parse(line).words if seconds == "0" else kfp
    except UserError:
        return kfp


def _listed(values: tuple[int, ...]) -> str:
    return ",".join(map(str, values))
