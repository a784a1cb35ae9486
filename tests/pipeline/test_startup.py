"""What heavy commands spend on Python itself."""

from __future__ import annotations

import gc
import subprocess
import sys
import time

import pytest

from pipeline import startup


def test_the_start_of_the_process_counts() -> None:
    """A process that first sleeps and then asks began before its sleep, and after ours of it."""
    code = "import time; time.sleep(0.3); from pipeline import startup; print(startup.began())"
    before = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = time.monotonic()
    # Ticks are hundredths of a second.
    assert before - 0.02 <= float(done.stdout) <= after - 0.3


def test_the_collector_rests_while_much_is_imported_and_leaves_it_alone_afterwards() -> None:
    frozen = gc.get_freeze_count()
    try:
        with startup.much_to_import():
            assert not gc.isenabled()
            kept = [[] for _ in range(1000)]
        assert gc.isenabled() and gc.get_freeze_count() >= frozen + len(kept)
    finally:
        gc.unfreeze()


def test_an_import_that_fails_wakes_the_collector() -> None:
    try:
        with pytest.raises(ImportError), startup.much_to_import():
            raise ImportError
        assert gc.isenabled()
    finally:
        gc.unfreeze()
