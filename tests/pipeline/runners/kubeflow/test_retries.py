"""A killed node starts again: nothing twice, nothing half, and its followers find their inputs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.runners.kubeflow.execute import SUCCEEDED

KILLED = 128 + signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around_publishing(name: str, publish_first: bool) -> Callable[[], None]:
    """Make a hook that dies just before or just after TFX tells ML Metadata of the outputs."""

    def hook() -> None:
        from tfx.orchestration.portable import execution_publish_utils

        real = getattr(execution_publish_utils, name)

        def publish(*args, **kwargs):
            if publish_first:
                real(*args, **kwargs)
            die()

        setattr(execution_publish_utils, name, publish)

    return hook


def at_registering() -> None:
    """Die with the execution in ML Metadata and no folder made."""
    from tfx.orchestration.portable import outputs_utils

    outputs_utils.make_output_dirs = lambda *args: die()


SUCCEEDED_CALL, CACHED_CALL, INTERNAL_CALL = (
    f"publish_{kind}_execution{s}"
    for kind, s in (("succeeded", ""), ("cached", "s"), ("internal", ""))
)

MOMENTS = {
    ("give", 1): lambda: os.environ.update(SAMPLE_DIE="1"),  # while writing
    ("give", 2): die,  # before anything
    ("learn", 1): around_publishing(SUCCEEDED_CALL, publish_first=False),
    ("judge", 1): around_publishing(SUCCEEDED_CALL, publish_first=True),
    ("tell", 1): at_registering,
    ("pusher", 1): around_publishing(SUCCEEDED_CALL, publish_first=False),
    ("old", 1): around_publishing(SUCCEEDED_CALL, publish_first=False),
    ("old", 2): around_publishing(SUCCEEDED_CALL, publish_first=True),
    ("latest-model", 1): around_publishing(INTERNAL_CALL, publish_first=False),
    ("latest-model", 2): around_publishing(INTERNAL_CALL, publish_first=True),
}


@pytest.fixture(scope="module")
def killed(sample_in):
    """One run in which nearly every node is killed with -9, each at another moment."""
    sample = sample_in()
    return sample, sample.execute(before=MOMENTS)


def test_the_run_ends_well_after_as_many_attempts_as_kills(killed) -> None:
    _, execution = killed
    assert execution.state == SUCCEEDED
    attempts = {name: task.attempts for name, task in execution.tasks.items()}
    kills = {name: sum(task == name for task, _ in MOMENTS) for name in attempts}
    assert attempts == {name: 1 + count for name, count in kills.items()}


def test_every_node_has_one_finished_execution_and_one_artifact_of_each_kind(killed) -> None:
    sample, execution = killed
    run = sample.run(execution)
    for node in ("Give", "Learn", "Judge", "Tell", "After_tell", "Pusher", "Old", "Count"):
        finished = [e for e in run.executions(node) if run.lineage.outputs(e)]
        assert len(finished) == 1, node
        assert len(run.outputs(node)) == 1, node
        states = {e.last_known_state for e in run.executions(node)}
        assert pb.Execution.RUNNING not in states, node


def test_what_a_killed_attempt_wrote_is_gone(killed) -> None:
    sample, execution = killed
    (numbers,) = sample.run(execution).outputs("Give")
    assert [path.name for path in Path(numbers.uri).iterdir()] == ["numbers.txt"]
    assert "left execution" in sample.log(execution, "give", 3)


def test_a_killed_pusher_leaves_one_version(killed) -> None:
    sample, execution = killed
    (pushed,) = sample.run(execution).outputs("Pusher")
    (version,) = (sample.folder / "serving").iterdir()
    assert pushed.properties["pushed_destination"] == str(version)
    assert "pushed by an attempt that did not finish" in sample.log(execution, "pusher", 2)


def test_a_node_that_got_to_the_end_is_not_run_again(killed) -> None:
    sample, execution = killed
    for task, attempt in (("judge", 2), ("old", 3), ("latest-model", 3)):
        assert "nothing to do again" in sample.log(execution, task, attempt)


def test_sigterm_ends_with_143_and_the_next_attempt_goes_on(sample_in) -> None:
    sample = sample_in()
    codes = {}
    before = {("give", 1): lambda: os.environ.update(SAMPLE_TERM="1")}
    execution = sample.execute(before=before, codes=codes)
    assert execution.state == SUCCEEDED
    assert codes["give", 1] == 143 and codes["give", 2] == 0
    assert "interrupted: terminated" in sample.log(execution, "give", 1)


def test_a_node_that_keeps_failing_fails_the_run_and_is_named(sample_in) -> None:
    sample = sample_in()
    (sample.folder / "old" / "old.txt").unlink()
    execution = sample.execute()
    assert execution.state != SUCCEEDED
    assert execution.tasks["count"].attempts == 3
    assert "failed: FileNotFoundError" in sample.log(execution, "count", 3)
    summary = (execution.tasks["exit-report"].folder / "summary").read_text()
    assert "- Count failed" in summary and "| Pusher | done |" in summary
