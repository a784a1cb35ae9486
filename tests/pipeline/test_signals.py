"""Signals end the work even where the code that they interrupt drops what is raised."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys, threading
from pipeline import signals
from trainer.errors import Interrupted
from trainer.progress import Progress

signals.listen("saved")
number, dropped = int(sys.argv[1]), 0
with Progress("work", 3) as line:
    try:
        os.kill(os.getpid(), number)  # as C code would: what the handler raises is dropped
        threading.Event().wait(5)
    except BaseException as error:
        dropped += 1
    other = threading.Thread(target=line.update)  # not the one to stop
    other.start()
    other.join()
    try:
        line.update()
    except (Interrupted, KeyboardInterrupt) as error:
        print(dropped, type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGTERM, "1 Interrupted saved\n"), (signal.SIGINT, "1 KeyboardInterrupt \n")],
)
def test_a_dropped_error_comes_back_with_the_next_count(number, told):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == told
    assert "work: 1/3" in done.stderr


REMINDED = """
import os, threading, time
from pipeline import signals
from trainer.errors import Interrupted

signals.listen("saved")
signals.remind()  # nothing has come, nothing happens
over = threading.Event()

def watch():
    while not over.wait(0.05):
        signals.remind()

try:
    os.kill(os.getpid(), 15)
    time.sleep(5)
except Interrupted:
    start = time.monotonic()  # dropped: the main thread waits on
threading.Thread(target=watch, daemon=True).start()
try:
    time.sleep(30)
except Interrupted as error:
    print(error, 0.5 < time.monotonic() - start < 20)
finally:
    over.set()
"""


def test_where_the_main_thread_waits_a_dropped_signal_is_delivered_again():
    told = subprocess.run(
        [sys.executable, "-c", REMINDED], capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout == "saved True\n"


def test_an_ignored_ctrl_c_stays_ignored():
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from pipeline import signals;"
        "signals.listen(''); print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "True\n"
