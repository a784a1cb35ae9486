"""The exit task's message to people: by Apprise when addresses are there, and never in the way."""

from __future__ import annotations

import sys
import types

import pytest

from pipeline.runners.kubeflow.finish import Ending, notify
from pipeline.runners.kubeflow.task_io import NOTIFY_URLS, TaskIO, figures
from trainer.errors import UserError

ENDING = Ending(False, "digits: run 1 failed", {"Trainer": "failed"}, ["Trainer failed: boom"])


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch):
    """A module in Apprise's place that keeps what it is given."""
    sent = types.SimpleNamespace(urls=[], messages=[])

    class Apprise:
        def add(self, url: str) -> bool:
            sent.urls.append(url)
            return url.startswith("chat://")

        def notify(self, **message: str) -> bool:
            sent.messages.append(message)
            return True

    module = types.ModuleType("apprise")
    module.Apprise = Apprise  # type: ignore[attr-defined]
    module.NotifyType = types.SimpleNamespace(SUCCESS="success", FAILURE="failure")  # type: ignore[attr-defined]
    module.NotifyFormat = types.SimpleNamespace(MARKDOWN="markdown")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", module)
    return sent


def test_all_addresses_get_the_whole_message(apprise, monkeypatch) -> None:
    monkeypatch.setenv(NOTIFY_URLS, "chat://one\nchat://two\n")
    assert notify(ENDING)
    assert apprise.urls == ["chat://one", "chat://two"]
    (message,) = apprise.messages
    assert message["title"] == "digits: run 1 failed" and message["notify_type"] == "failure"
    assert "- Trainer failed: boom" in message["body"]
    assert "| Trainer | failed |" in message["body"]


def test_an_address_that_is_not_taken_is_said_without_repeating_it(
    apprise, monkeypatch, capsys
) -> None:
    monkeypatch.setenv(NOTIFY_URLS, "wrong://hunter2")
    assert not notify(ENDING)
    said = capsys.readouterr().err
    assert "not all of 1 addresses took it" in said and "hunter2" not in said


def test_without_addresses_nothing_is_sent(apprise, monkeypatch) -> None:
    monkeypatch.delenv(NOTIFY_URLS, raising=False)
    assert not notify(ENDING) and apprise.messages == []


def test_without_apprise_the_log_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setenv(NOTIFY_URLS, "chat://one")
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert not notify(ENDING)
    assert "genvision[notify]" in capsys.readouterr().err


def test_remote_artifacts_are_written_where_kubeflow_uploads_them_from(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("pipeline.runners.kubeflow.task_io._MOUNTS", {"s3://": f"{tmp_path}/s3/"})
    names = ("html", "summary", "metrics", "executor-logs")
    artifacts = {n: {"artifacts": [{"name": n, "uri": f"s3://b/t/{n}"}]} for n in names}
    told = tmp_path / "output_metadata.json"
    outputs = {"artifacts": artifacts, "outputFile": str(told)}
    TaskIO({"outputs": outputs}).write("<p>", {"fid": 0.5}, "# a")
    assert (tmp_path / "s3/b/t/html").read_text() == "<p>"
    assert (tmp_path / "s3/b/t/summary").read_text() == "# a"
    assert not (tmp_path / "s3/b/t/executor-logs").exists(), "the backend's own"
    assert '"uri": "s3://b/t/metrics", "metadata": {"fid": 0.5}' in told.read_text()


def test_figures_are_the_finite_numbers() -> None:
    given = {"fid": "0.5", "n": 3, "verdict": "BLESSED", "bad": "nan", "is_external": 0, "x": "inf"}
    assert figures(given) == {"fid": 0.5, "n": 3.0}


def test_an_executor_input_that_is_none_is_one_line() -> None:
    for text in ("{{$}}", "[]", ""):
        with pytest.raises(UserError, match="--executor-input is no JSON object"):
            TaskIO.parse(text)
