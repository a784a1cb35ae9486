"""A run stopped in training goes on from there; meanwhile nobody else may use its folder."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STEPS = 240


@pytest.fixture(scope="module")
def long(small) -> list[str]:
    return [*small, "--set", f"train.steps={STEPS}", "--set", "train.steps_per_call=10"]


def wait_for_training(output: Path, process) -> None:
    """Return once the first metrics of the training are on disk."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.stat().st_size for path in output.glob("checkpoints/*/run/metrics.jsonl")):
            return
        time.sleep(0.1)
    raise AssertionError(f"no training within two minutes: {process.communicate()[0]}")


def test_sigterm_saves_and_the_same_command_continues(genvision, long) -> None:
    with genvision.start(*long) as process:
        wait_for_training(genvision.output, process)

        second = genvision(*long)
        assert second.returncode == 2
        assert f"in use by another run (process {process.pid})" in second.stderr

        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signal.SIGTERM
    stopped = re.search(rf"stopped at step (\d+) of {STEPS}; saved", said)
    assert stopped and int(stopped[1]) < STEPS, said
    assert genvision.versions() == []

    done = genvision(*long)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"training continues from step {stopped[1]} of {STEPS}" in done.stdout
    assert len(genvision.versions()) == 1
    (metrics,) = genvision.output.glob("artifacts/Trainer/model_run/*/metrics.jsonl")
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == list(range(10, STEPS + 1, 10))
