"""What all commands keep to: JSON for programs, exit codes, no colours, no control sequences."""

from __future__ import annotations

import inspect
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pipeline import cli, run, signals
from trainer import progress
from trainer.errors import Interrupted, RunFailed, UserError

ROOT = Path(__file__).parents[2]
GENVISION = str(Path(sys.executable).parent / "genvision")
DOING = {
    "approve", "batch", "canary", "completion", "evaluate", "extractor train", "generate",
    "data prepare", "kubeflow compile", "kubeflow execute", "run", "schedule create",
    "schedule delete", "schedule pause", "schedule replace", "schedule resume", "schedule run-now",
    "serve", "submit", "tensorboard", "tfx", "track", "versions pin", "versions promote",
    "versions prune", "versions rollback",
}  # fmt: skip
"""Commands that make or change something, or hand over to another program."""
TEXT = {"logs"}
"""The containers' own words."""


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def test_every_command_that_only_reads_has_json() -> None:
    found = dict(commands(cli.cli))
    assert found.keys() >= DOING | TEXT
    for name in found.keys() - DOING - TEXT:
        flags = [flag for param in found[name].params for flag in param.opts]
        assert "--json" in flags, name
    page = (ROOT / "docs" / "command.md").read_text()
    for name in found.keys() - DOING - TEXT:
        assert f"`{name}`" in page


@pytest.mark.parametrize("line", ["recipes", "show digits_cgan", "data list", "extractor list"])
def test_json_says_what_the_lines_say(line: str) -> None:
    words = line.split()
    lines = CliRunner().invoke(cli.cli, words).output
    found = json.loads(CliRunner().invoke(cli.cli, [*words, "--json"]).output)
    for row in found if isinstance(found, list) else [found]:
        assert row["name"] in lines


def test_versions_and_history_as_json(tmp_path: Path) -> None:
    folder = tmp_path / "serving" / "digits"
    (folder / "7" / "assets.extra").mkdir(parents=True)
    (folder / "7" / "saved_model.pb").write_bytes(b"12345")
    place = ["--output-dir", str(tmp_path)]
    runner = CliRunner()
    done = runner.invoke(cli.cli, ["versions", "list", "--json", *place])
    (row,) = json.loads(done.output)
    assert (row["version"], row["labels"], row["bytes"], row["scores"]) == (7, [], 5, {})
    promoted = ["versions", "promote", "7", "--no-server", "--why", "first", *place]
    assert runner.invoke(cli.cli, promoted).exit_code == 0
    (row,) = json.loads(runner.invoke(cli.cli, ["versions", "list", "--json", *place]).output)
    assert row["labels"] == ["stable"]
    done = runner.invoke(cli.cli, ["versions", "list", "--history", "--json", *place])
    assert [(e["action"], e["why"]) for e in json.loads(done.output)] == [("promote", "first")]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 0, ""),
        (RunFailed("not pushed; too blurred"), 1, "genvision: not pushed; too blurred\n"),
        (UserError("no such\n thing"), 2, "genvision: no such thing\n"),
        (click.UsageError("no such option"), 2, "genvision: no such option\n"),
        (click.exceptions.Abort(), 130, "genvision: interrupted\n"),
        (KeyboardInterrupt(), 130, "genvision: interrupted\n"),
        (Interrupted(signal.SIGTERM, "saved"), 143, "genvision: saved\n"),
    ],
)
def test_exit_codes_and_their_line(error, code: int, said: str, monkeypatch, capsys) -> None:
    def work(**_) -> None:
        if error:
            raise error

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.cli, "main", work)
    try:
        cli.main()
        ended = 0
    except SystemExit as caught:
        ended = caught.code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended == code
    told = capsys.readouterr().err
    assert told.startswith(said) and told.count("\n") == (error is not None)


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_only_a_run_tells_that_nodes_are_kept(
    number, said: str, monkeypatch, capsys, tmp_path: Path
) -> None:
    """Other commands have no nodes: what a signal says there is one word."""

    def signalled(*_) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(run, "run", signalled)
    monkeypatch.setattr(signals, "_last", None)  # as it was, after the test
    line = ["run", "digits_cgan", "--output-dir", str(tmp_path)]
    try:
        with pytest.raises(Interrupted, match=f"^{said}; finished nodes are kept, the same") as it:
            cli.cli.main(line, standalone_mode=False)
        assert it.value.signal_number == number
        monkeypatch.setattr(cli.cli, "main", lambda **_: signalled())
        with pytest.raises(SystemExit):
            cli.main()
        assert capsys.readouterr().err == f"genvision: {said}\n"
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        progress.stop_with(None)


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch) -> None:
    def work(**_) -> None:
        raise ZeroDivisionError

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli.cli, "main", work)
    with pytest.raises(ZeroDivisionError):
        cli.main()
    signal.signal(signal.SIGTERM, before)


def test_help_and_page_tell_the_same_exit_codes() -> None:
    told = dict(re.findall(r"^ +(\d+) +(\S.*)$", inspect.getdoc(cli.cli.callback), re.MULTILINE))
    page = (ROOT / "docs" / "command.md").read_text()
    assert dict(re.findall(r"^\| (\d+) \| (.*) \|$", page, re.MULTILINE)) == told
    assert list(told) == ["0", "1", "2", "130", "143"]
    shown = CliRunner().invoke(cli.cli, ["--help"]).output
    for code, meaning in told.items():
        assert re.search(rf"^ +{code} +{re.escape(meaning)}$", shown, re.MULTILINE)


@pytest.mark.parametrize("no_color", [{}, {"NO_COLOR": "1"}])
def test_a_terminal_gets_no_colours(no_color: dict[str, str], tmp_path: Path) -> None:
    """Neither with nor without NO_COLOR: none are used."""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [GENVISION, "run", "digits_cgan", "--dry-run"],
        cwd=tmp_path,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **no_color},
        check=False,
    )
    os.close(theirs)
    told = os.read(ours, 65536)
    os.close(ours)
    assert done.returncode == 0 and b"digits_cgan" in told
    assert re.search(rb"\x1b\[[\d;]*m", told) is None


def test_no_source_asks_for_colours() -> None:
    for folder in ("pipeline", "components", "trainer", "serving"):
        for path in (ROOT / folder).rglob("*.py"):
            assert re.search(r"click\.(style|secho)|\\x1b\[\d|\\033\[\d", path.read_text()) is None


def test_a_pipe_gets_whole_lines_only(tmp_path: Path) -> None:
    from pipeline.console import redirected

    target = tmp_path / "out"
    with target.open("w") as file:
        saved = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            with redirected(tmp_path / "log") as console:
                console.pending("working ...")
                console.line("done")
        finally:
            os.dup2(saved, 1)
            os.close(saved)
    assert target.read_text() == "done\n"
