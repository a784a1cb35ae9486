"""A compiled package runs: parameters, conditions, gate, cache, exit task, artifacts for the UI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.runners.kubeflow.execute import FAILED, NOT_RUN, SUCCEEDED
from trainer.errors import UserError


@pytest.fixture(scope="module")
def ran(sample_in):
    """Two runs of one package, the second with nothing changed."""
    sample = sample_in()
    return sample, sample.execute(number_count="5"), sample.execute(number_count="5")


def read(execution, task: str, name: str) -> str:
    return (execution.tasks[task].folder / name).read_text()


def test_all_nodes_run_with_the_values_of_this_run(ran) -> None:
    sample, first, _ = ran
    assert first.state == SUCCEEDED
    assert {task.state for task in first.tasks.values()} == {SUCCEEDED}
    assert {task.attempts for task in first.tasks.values()} == {1}
    (numbers,) = sample.run(first).outputs("Give")
    assert (Path(numbers.uri) / "numbers.txt").read_text() == "0.0 1.5 3.0 4.5 6.0"
    (note,) = sample.run(first).outputs("Count")
    assert (Path(note.uri) / "note.txt").read_text().startswith("old "), "importer and resolver"


def test_order_is_tfxs_order(ran) -> None:
    _, first, _ = ran
    order = list(first.tasks)
    pairs = ["give learn", "learn judge", "judge tell", "tell after-tell", "old count"]
    for before, after in (pair.split() for pair in pairs):
        assert order.index(before) < order.index(after)
    assert order[-1] == "exit-report"


def test_the_second_run_is_answered_from_tfxs_cache(ran) -> None:
    sample, first, second = ran
    assert second.state == SUCCEEDED
    old, new = sample.run(first), sample.run(second)
    cached = {"Give", "Learn", "Judge", "Tell", "After_tell", "Pusher"}
    assert {node for node in cached if new.state(node) == "cached"} == cached
    assert [one.uri for one in new.outputs("Learn")] == [one.uri for one in old.outputs("Learn")]
    assert len(list((sample.folder / "serving").iterdir())) == 1
    assert "cached" in sample.log(second, "give")


def test_page_metrics_and_summary_are_there_for_the_ui(ran) -> None:
    _, first, _ = ran
    assert read(first, "judge", "html") == "<p>5 numbers</p>", "the node's own report"
    assert "<pre>## Learn: done" in read(first, "learn", "html")
    assert "| found | 5.0 |" in read(first, "judge", "summary")
    told = json.loads(read(first, "judge", "executor_output.json"))
    (metrics,) = told["artifacts"]["metrics"]["artifacts"]
    assert metrics["uri"] == f"{first.tasks['judge'].folder}/metrics"
    assert metrics["metadata"]["found"] == 5.0 and metrics["metadata"]["blessed"] == 1.0
    assert metrics["metadata"].keys() == {"seconds", "found", "blessed"}


def test_the_exit_task_tells_states_model_and_link(ran) -> None:
    sample, first, second = ran
    summary = read(second, "exit-report", "summary")
    assert f"run {second.run_id} succeeded" in summary
    assert "| Learn | cached |" in summary
    assert f"run: http://kfp.example/#/runs/details/{second.run_id}" in summary
    (version,) = (sample.folder / "serving").iterdir()
    assert f"model: {version}" in read(first, "exit-report", "summary")


def test_a_gate_that_refuses_stops_what_follows_and_the_exit_task_says_why(sample_in) -> None:
    sample = sample_in()
    execution = sample.execute(number_count="1")
    assert execution.state == FAILED
    states = {name: task.state for name, task in execution.tasks.items()}
    assert states["judge"] == FAILED
    assert [states[name] for name in ("pusher", "tell", "after-tell")] == [NOT_RUN] * 3
    assert states["count"] == SUCCEEDED, "what does not depend on it goes on"
    assert not (sample.folder / "serving").exists()
    # A retry tells the same verdict without judging again.
    assert execution.tasks["judge"].attempts == 3
    assert "nothing to do again" in sample.log(execution, "judge", 3)
    assert "refused: 1 numbers, at least 2 wanted" in sample.log(execution, "judge", 3)
    summary = read(execution, "exit-report", "summary")
    assert "failed" in summary.splitlines()[0]
    assert "- Judge refused the model: 1 numbers, at least 2 wanted" in summary
    assert "| Judge | refused |" in summary and "| Pusher | not run |" in summary


def test_without_a_gate_a_condition_skips_its_branch_as_tfx_does(sample_in) -> None:
    sample = sample_in(gates=())
    execution = sample.execute(number_count="1")
    assert execution.state == SUCCEEDED
    run = sample.run(execution)
    assert run.state("Judge") == run.state("Pusher") == "done"
    assert run.state("Tell") == run.state("After_tell") == "not run"
    assert "skipped in" in sample.log(execution, "tell")
    assert "skipping: Tell made nothing in this run" in sample.log(execution, "after-tell")
    assert not (sample.folder / "serving").exists(), "Pusher looked at the blessing"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"number_cuont": "3"}, "did you mean 'number_count'"),
        ({"number_count": "many"}, "parameter 'number_count' is 'many': give a number integer"),
        ({"number_count": "true"}, "give a number integer"),
        ({"number_count": "2.5"}, "give a number integer"),
    ],
)
def test_a_wrong_parameter_is_one_line_before_anything_runs(ran, given, words: str) -> None:
    sample, _, _ = ran
    with pytest.raises(UserError, match=words):
        sample.execute(**given)
