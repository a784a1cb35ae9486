"""Local schedules: lines and units that the system's own tools accept, installed and removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.cluster import cron
from pipeline.cluster.local_schedule import Job
from trainer.errors import UserError

Run = Callable[..., str]
CREATE = ("schedule", "create", "digits_cgan", "--cron", "0 3 * * 1", "--local")

CRONTAB = """#!/bin/sh
case "$1" in
-l) [ -f "$HOME/tab" ] && cat "$HOME/tab" || { echo "no crontab for me" >&2; exit 1; } ;;
-) cat > "$HOME/tab" ;;
esac
"""
SYSTEMCTL = '#!/bin/sh\n[ -f "$HOME/broken" ] && { echo "no bus" >&2; exit 1; }\n'
SYSTEMCTL += 'echo "$@" >> "$HOME/calls"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a home folder with both tools of its own; nothing of this machine is touched."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, text in (("crontab", CRONTAB), ("systemctl", SYSTEMCTL)):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(text)
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    work = tmp_path / "my work"
    work.mkdir()
    monkeypatch.chdir(work)
    return tmp_path


@pytest.fixture
def genvision(home: Path) -> Run:
    """Run a command of ours; a failed one returns its line."""

    def run(*words: str, fails: bool = False) -> str:
        result = CliRunner().invoke(cli.cli, words, standalone_mode=False)
        if fails:
            assert isinstance(result.exception, UserError), result.exception
            return str(result.exception)
        assert result.exception is None, result.exception
        return result.stdout

    return run


def test_printing_touches_nothing(home: Path, genvision: Run) -> None:
    said = genvision(*CREATE, "--with", "crontab", "--set", "train.steps=60")
    line = said.splitlines()[1]
    assert line.startswith(f"0 3 * * 1 cd '{home}/my work' && ")
    assert " schedule run-now digits_cgan --local --set train.steps=60 >> " in line
    assert "when     At 03:00 on Monday, next Mon " in said
    assert "gate     a node runs only when its data, code or settings changed" in said
    said = genvision(*CREATE)
    assert "OnCalendar=Mon *-*-* 03:00:00\nPersistent=false" in said
    assert "# systemctl --user enable --now genvision-digits_cgan.timer" in said
    assert not (home / "tab").exists() and not (home / ".config").exists()


def test_crontab(home: Path, genvision: Run) -> None:
    table = home / "tab"
    table.write_text("5 4 * * * other job\n")
    with_cron = ("--with", "crontab")
    genvision(*CREATE, *with_cron, "--install")
    assert table.read_text().startswith("5 4 * * * other job\n0 3 * * 1 cd ")
    assert "use `genvision schedule replace`" in genvision(
        *CREATE, *with_cron, "--install", fails=True
    )
    words = ("schedule", "replace", *CREATE[2:3], "--cron", "@daily", "--local", "--install")
    genvision(*words, *with_cron)
    assert [line[:9] for line in table.read_text().splitlines()] == ["5 4 * * *", "0 0 * * *"]
    genvision("schedule", "pause", "digits_cgan", "--local", *with_cron)
    assert "\n#paused 0 0 * * * cd" in table.read_text()
    genvision("schedule", "resume", "digits_cgan", "--local", *with_cron)
    assert "\n0 0 * * * cd" in table.read_text()
    genvision("schedule", "delete", "digits_cgan", "--local", *with_cron)
    assert table.read_text() == "5 4 * * * other job\n"
    gone = genvision("schedule", "delete", "digits_cgan", "--local", *with_cron, fails=True)
    assert "no schedule 'digits_cgan' is installed with crontab" in gone


def test_the_crontab_line_is_what_a_shell_runs(home: Path) -> None:
    job = Job("a", ("/bin/echo", "it's 5%", "$HOME"), home / "my work", home / "my log")
    line = job.crontab(cron.parse("* * * * *"))
    command = line.split(" ", 5)[5].replace(r"\%", "%")  # as cron takes the sign's escape away
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert (home / "my log").read_text() == "it's 5% $HOME\n"


def test_systemd(home: Path, genvision: Run) -> None:
    genvision(*CREATE, "--install")
    folder = home / ".config" / "systemd" / "user"
    assert sorted(path.name for path in folder.iterdir()) == [
        "genvision-digits_cgan.service", "genvision-digits_cgan.timer",
    ]  # fmt: skip
    calls = (home / "calls").read_text()
    assert "--user daemon-reload\n--user enable --now genvision-digits_cgan.timer\n" in calls
    genvision("schedule", "pause", "digits_cgan", "--local")
    genvision("schedule", "delete", "digits_cgan", "--local")
    assert not list(folder.iterdir())
    (home / "broken").touch()
    refused = genvision(*CREATE, "--install", "--with", "systemd", fails=True)
    assert "'systemctl --user daemon-reload' failed: no bus" in refused
    assert not list(folder.iterdir())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    command = ("/bin/echo", "it's 5%", "$HOME", "two words")
    job = Job("a", command, tmp_path, tmp_path / "log")
    files = []
    for name, text in job.units(cron.parse("*/20 9-11 * jan,jul MON-FRI")).items():
        files.append(tmp_path / name)
        files[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "genvision-a" not in done.stderr, done.stderr


def test_without_the_tool(home: Path, genvision: Run) -> None:
    (home / "bin" / "crontab").unlink()
    said = genvision(*CREATE, "--with", "crontab", "--install", fails=True)
    assert "'crontab' is not installed here: leave out --install" in said
