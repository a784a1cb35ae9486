"""The progress line: done / total, rate and time left, on a terminal and off it."""

from __future__ import annotations

import io
import re

from trainer import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_output_is_one_line_at_the_end_of_short_work() -> None:
    stream = io.StringIO()
    progress.set_stream(stream)
    with progress.Progress("work", 4, "item") as line:
        for _ in range(4):
            line.update(loss=0.123456)
    progress.set_stream(None)
    assert re.fullmatch(
        r"work: 4/4 \[ ?[\d.?]+item/s, left 00:00, loss=0\.123\]\n", stream.getvalue()
    ), stream.getvalue()


def test_long_work_repeats_the_line(monkeypatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_S", 0.0)
    stream = io.StringIO()
    progress.set_stream(stream)
    with progress.Progress("work", 100, done=40) as line:
        line.update(10)
        line.update(10)
    progress.set_stream(None)
    assert [row.split(" [")[0] for row in stream.getvalue().splitlines()] == [
        "work: 50/100", "work: 60/100", "work: 60/100",
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_that_redraws_itself() -> None:
    stream = Terminal()
    progress.set_stream(stream)
    with progress.Progress("work", 2) as line:
        line.update(2)
    progress.set_stream(None)
    assert "\r" in stream.getvalue()
    assert stream.getvalue().rstrip("\n").splitlines()[-1].startswith("work: 2/2")
