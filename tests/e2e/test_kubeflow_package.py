"""The default recipe's package, run by its own container commands, is what a local run is."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.runners.kubeflow import package_file
from pipeline.runners.kubeflow.warm import WarmExecutor

pytestmark = pytest.mark.slow

STEPS = 120
EASY = "evaluate.thresholds=[{metric: fid_digits-cnn_500, max: 1000}]"
SETTINGS = [
    *("train.steps_per_call=10", "evaluate.samples=500", EASY, "kubernetes.default.retries=1"),
    "kubernetes.parameters=[train.steps, evaluate.thresholds]",
]
APPROVAL = ["approve.required=true", "kubernetes.parameters=[train.steps, approve.hours]"]


class Preempted(WarmExecutor):
    """Takes the machine away from the trainer's first attempt, once it has really begun."""

    def _forked(self, name: str, attempt: int) -> None:
        if (name, attempt) == ("trainer", 1):
            threading.Thread(target=self._wait_and_stop, daemon=True).start()

    def _wait_and_stop(self) -> None:
        pattern = "checkpoints/*/run/metrics.jsonl"
        while not any(path.stat().st_size for path in self._folder.glob(pattern)):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)


def with_settings(settings: list[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture(scope="module")
def package(forking, genvision) -> Path:
    done = genvision(
        "kubeflow", "compile", "digits_cgan", "--image", "reg/genvision:1", "--out", "p.yaml",
        *with_settings(SETTINGS),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return genvision.folder / "p.yaml"


def run(package: Path, output: Path, **given: str) -> Any:
    return Preempted(package_file.read(package), output, given, max_backoff_s=0.1).run()


def log(execution: Any, task: str, attempt: int) -> str:
    return (execution.tasks[task].folder / f"attempt-{attempt}" / "log.txt").read_text()


@pytest.fixture(scope="module")
def executed(genvision, package) -> Any:
    """The package with the step count given at the start, its trainer preempted on the way."""
    execution = run(package, genvision.output, train_steps=str(STEPS))
    said = {name: task.state for name, task in execution.tasks.items()}
    assert execution.state == "SUCCEEDED", said
    return execution


def test_the_preempted_trainer_saved_and_its_next_attempt_went_on(executed) -> None:
    assert executed.tasks["trainer"].attempts == 2
    stopped = re.search(rf"stopped at step (\d+) of {STEPS}; saved", log(executed, "trainer", 1))
    assert stopped and int(stopped[1]) < STEPS
    assert f"training continues from step {stopped[1]} of {STEPS}" in log(executed, "trainer", 2)
    others = {task.attempts for name, task in executed.tasks.items() if name != "trainer"}
    assert others == {1}


def test_a_local_run_in_the_same_folder_finds_all_of_it_done_and_serves_it(
    executed, genvision
) -> None:
    """Caches agree only when nodes, settings, inputs and code are the same; so it is one model."""
    (version,) = genvision.versions()
    done = genvision(
        "run", "digits_cgan", "--set", f"train.steps={STEPS}",
        *with_settings([setting for setting in SETTINGS if "kubernetes" not in setting]),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"^\[\d+/\d+\] \w+ +(\w+) ", done.stdout, re.M)) == {"cached"}
    assert genvision.versions() == [version]
    assert f"10 images by version {version} over gRPC" in done.stdout


def test_a_gate_that_fails_stops_the_push_and_the_exit_task_runs(
    executed, package, genvision
) -> None:
    (version,) = genvision.versions()
    strict = "[{metric: fid_digits-cnn_500, max: 0.001}]"
    execution = run(package, genvision.output, train_steps=str(STEPS), evaluate_thresholds=strict)
    states = {name: task.state for name, task in execution.tasks.items()}
    assert execution.state == states["generative-evaluator"] == "FAILED"
    assert states["pusher"] == "NOT_RUN" and states["exit-report"] == "SUCCEEDED"
    summary = (execution.tasks["exit-report"].folder / "summary").read_text()
    assert "| Trainer | cached |" in summary and "| GenerativeEvaluator | refused |" in summary
    assert "GenerativeEvaluator refused the model: fid_digits-cnn_500" in summary
    assert "| fid_digits-cnn_500 |" in summary and "report: " in summary
    assert genvision.versions() == [version]


@pytest.fixture(scope="module")
def asking(executed, genvision) -> Path:
    """The same recipe with an approval: all before it is known from the runs above."""
    done = genvision(
        "kubeflow", "compile", "digits_cgan", "--image", "reg/genvision:1", "--out", "asking.yaml",
        *with_settings([*SETTINGS[:-1], *APPROVAL]),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return genvision.folder / "asking.yaml"


def test_nobody_approves_in_time_and_further_attempts_do_not_ask_again(asking, genvision) -> None:
    began = time.monotonic()
    execution = run(asking, genvision.output, train_steps=str(STEPS), approve_hours="0.002")
    assert time.monotonic() - began < 300
    tasks = execution.tasks
    assert tasks["approval"].state == "FAILED" and tasks["pusher"].state == "NOT_RUN"
    assert "waiting until" in log(execution, "approval", 1)
    assert tasks["approval"].attempts == 2 and "waiting" not in log(execution, "approval", 2)
    assert "nobody approved the model within 0.002 h: not pushed" in log(execution, "approval", 2)
    assert "not approved" in genvision("runs", "digits_cgan", "--last", "1").stdout
    assert len(genvision.versions()) == 1


def test_a_package_waits_for_a_person_and_goes_on(asking, genvision) -> None:
    """Approved by the command that the waiting pod told of, as one would inside of it."""
    said: list[str] = []

    def approve_when_asked() -> None:
        pattern = "kubeflow/*/approval/attempt-1/log.txt"
        before = set(genvision.output.glob(pattern))
        while not said:
            for path in set(genvision.output.glob(pattern)) - before:
                if found := re.search(r"genvision (approve \S+) --by NAME", path.read_text()):
                    words = [*found[1].split(), "--by", "ada", "--note", "crisp"]
                    said.append(genvision(*words).stdout)
            time.sleep(0.1)

    person = threading.Thread(target=approve_when_asked, daemon=True)
    person.start()
    execution = run(asking, genvision.output, train_steps=str(STEPS), approve_hours="1")
    person.join(30)
    assert execution.state == "SUCCEEDED" and execution.tasks["approval"].attempts == 1
    assert said and ": approved by ada at " in said[0]
    assert "/artifacts/GenerativeEvaluator/evaluation/" in said[0]
    lineage = genvision("lineage", "digits_cgan").stdout
    assert re.search(r"^approval +approved by ada at .*: crisp$", lineage, re.M)
    assert re.search(r"^verdict +approved$", lineage, re.M)
