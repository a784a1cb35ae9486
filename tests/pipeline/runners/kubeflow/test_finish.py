"""The exit task's message to people: by Apprise when addresses are there, and never in the way."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.runners.kubeflow.finish import Ending, notify
from pipeline.runners.kubeflow.task_io import NOTIFY_URLS, TaskIO, figures
from trainer.errors import UserError

ENDING = Ending(False, "digits: run 1 failed", {"Trainer": "failed"}, ["Trainer failed: boom"])


@pytest.fixture
def hook():
    """A chat's web hook on loopback that keeps what it is sent; Apprise itself sends it."""
    taken: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if self.path != "/refuse" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"json://127.0.0.1:{server.server_address[1]}", taken
        server.shutdown()


def test_all_addresses_get_the_whole_message(hook, monkeypatch) -> None:
    url, taken = hook
    monkeypatch.setenv(NOTIFY_URLS, f"{url}/one\n{url}/two\n")
    assert notify(ENDING)
    assert [message["title"] for message in taken] == ["digits: run 1 failed"] * 2
    assert taken[0]["type"] == "failure"
    assert "- Trainer failed: boom" in taken[0]["message"]
    assert "| Trainer | failed |" in taken[0]["message"]


def test_an_address_that_is_not_taken_is_said_without_repeating_it(
    hook, monkeypatch, capsys
) -> None:
    for url in ("wrong://hunter2", f"{hook[0]}/refuse?token=hunter2"):
        monkeypatch.setenv(NOTIFY_URLS, url)
        assert not notify(ENDING)
        said = capsys.readouterr().err
        assert "not all of 1 addresses took it" in said and "hunter2" not in said


def test_without_addresses_nothing_is_sent(hook, monkeypatch) -> None:
    monkeypatch.delenv(NOTIFY_URLS, raising=False)
    assert not notify(ENDING) and hook[1] == []


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
