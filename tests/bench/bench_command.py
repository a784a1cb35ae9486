"""How quickly the command answers, and where the time of a run goes: one table.

    python tests/bench/bench_command.py [--run] [--rounds 5]

Without --run only commands that need neither TensorFlow nor TFX. With it the default recipe runs
twice in a new folder, with a small training: the second time everything is answered from the cache.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GENVISION = str(Path(sys.executable).parent / "genvision")
QUICK = ("--help", "recipes", "runs", "show digits_cgan", "run digits_cgan --dry-run")
SMALL = (
    *("run", "digits_cgan", "--set", "train.steps=60", "--set", "evaluate.samples=500"),
    *("--set", "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 1000}]"),
)


def measured(command: list[str], folder: Path | None = None) -> tuple[float, float, str]:
    """Return seconds by the clock, seconds of the processor, and what was printed."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in (0, 2):
        sys.exit(done.stdout + done.stderr)
    return wall, work, done.stdout


def quick(rounds: int) -> None:
    """Time the commands that should answer at once, beside a Python that does nothing."""
    print(f"{'command':36}{'wall':>10}{'processor':>12}")
    for words in ("", *QUICK):
        command = [GENVISION, *words.split()] if words else [sys.executable, "-c", "pass"]
        tries = [measured(command)[:2] for _ in range(rounds)]
        wall, work = (statistics.median(column) * 1000 for column in zip(*tries, strict=True))
        name = f"genvision {words}" if words else "python -c pass"
        print(f"{name:36}{wall:7.0f} ms{work:9.0f} ms", flush=True)


def runs() -> None:
    """Time a run and the same again, node by node."""
    with tempfile.TemporaryDirectory() as folder:
        for which in ("first", "second"):
            wall, work, said = measured([GENVISION, *SMALL], Path(folder))
            nodes = re.findall(r"^\[\d+/\d+\] (\w+) +\w+ +([\d.]+) s", said, re.M)
            inside = sum(float(seconds) for _, seconds in nodes)
            print(f"\n{which} run: {wall:.1f} s, {work:.1f} s of the processor")
            print(f"  {'start-up, asking, pages':26}{wall - inside:6.1f} s")
            for node, seconds in nodes:
                print(f"  {node:26}{float(seconds):6.1f} s", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", action="store_true", help="also run the default recipe, twice")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    quick(given.rounds)
    if given.run:
        runs()


if __name__ == "__main__":
    main()
