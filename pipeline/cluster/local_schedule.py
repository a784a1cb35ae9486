"""Scheduled retraining on this machine: a crontab line or a systemd user timer."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline.cluster.cron import Schedule
from trainer.errors import UserError

PAUSED = "#paused "
UNITS = Path(".config") / "systemd" / "user"


@dataclass(frozen=True)
class Job:
    """What is to run, where, and under which name."""

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path

    @property
    def mark(self) -> str:
        """Comment that tells our line in a crontab."""
        return f"# genvision schedule {self.name}"

    @property
    def unit(self) -> str:
        """Name of the systemd units without their ending."""
        return f"genvision-{self.name}"

    def crontab(self, when: Schedule) -> str:
        """Write the job as a crontab line; cron takes % for a newline."""
        command = f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.command)}"
        log = shlex.quote(str(self.log))
        text = f"{command} >> {log} 2>&1".replace("%", r"\%")
        return f"{when.line} {text} {self.mark}"

    def units(self, when: Schedule) -> dict[str, str]:
        """Write the job as a service and its timer; a run that takes long delays the next one."""
        words = " ".join(_quoted(word) for word in self.command)
        service = (
            f"[Unit]\nDescription=genvision: {self.name}\n\n"
            f"[Service]\nType=oneshot\nWorkingDirectory={_escaped(str(self.folder))}\n"
            f"ExecStart={words}\n"
            f"StandardOutput=append:{_escaped(str(self.log))}\nStandardError=inherit\n"
        )
        timer = (
            f"[Unit]\nDescription={when.words}: genvision {self.name}\n\n"
            f"[Timer]\nOnCalendar={when.systemd}\nPersistent=false\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
        return {f"{self.unit}.service": service, f"{self.unit}.timer": timer}


def job(recipe: str, name: str, arguments: list[str], output: Path) -> Job:
    """Describe the retraining of a recipe from the working directory of now."""
    script = Path(sys.executable).with_name("genvision")
    command = (str(script), "schedule", "run-now", recipe, "--local", *arguments)
    return Job(name, command, Path.cwd(), output / "schedule.log")


def keeper(chosen: str) -> str:
    """Choose what keeps the schedule: the one named, else systemd where it runs, else cron.

    Raises:
      UserError: What was chosen is not installed here.
    """
    tools = {"systemd": "systemctl", "crontab": "crontab"}
    if chosen == "auto":
        working = shutil.which("systemctl") and not _call(
            ["systemctl", "--user", "is-system-running"]
        )
        chosen = "systemd" if working or not shutil.which("crontab") else "crontab"
    if not shutil.which(tools[chosen]):
        raise UserError(
            f"'{tools[chosen]}' is not installed here: leave out --install and copy what is "
            "printed, or name the other with --with"
        )
    return chosen


def install(task: Job, when: Schedule, kind: str, replace: bool) -> str:
    """Install the job; returns where.

    Raises:
      UserError: It is there already and may not be replaced, or the system refuses.
    """
    if installed(task, kind) and not replace:
        raise UserError(f"schedule '{task.name}' is installed: use `genvision schedule replace`")
    task.log.parent.mkdir(parents=True, exist_ok=True)
    if kind == "crontab":
        _write_crontab([*_others(task), task.crontab(when)])
        return "crontab"
    folder = Path.home() / UNITS
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in task.units(when).items():
        (folder / name).write_text(text, encoding="utf-8")
    try:
        _systemctl("daemon-reload")
        _systemctl("enable", "--now", f"{task.unit}.timer")
    except UserError:
        _remove_units(task)
        raise
    return str(folder / f"{task.unit}.timer")


def installed(task: Job, kind: str) -> str:
    """Return what is installed of a job: a crontab line, or the timer's text; empty for nothing."""
    if kind == "crontab":
        return next((line for line in _crontab() if line.endswith(task.mark)), "")
    timer = Path.home() / UNITS / f"{task.unit}.timer"
    return timer.read_text(encoding="utf-8") if timer.is_file() else ""


def remove(task: Job, kind: str) -> None:
    """Remove an installed job."""
    _must_exist(task, kind)
    if kind == "crontab":
        _write_crontab(_others(task))
        return
    _systemctl("disable", "--now", f"{task.unit}.timer")
    _remove_units(task)
    _systemctl("daemon-reload")


def pause(task: Job, kind: str, paused: bool) -> None:
    """Pause an installed job, or let it go on."""
    line = _must_exist(task, kind).removeprefix(PAUSED)
    if kind == "crontab":
        _write_crontab([*_others(task), (PAUSED if paused else "") + line])
    else:
        _systemctl("disable" if paused else "enable", "--now", f"{task.unit}.timer")


def _must_exist(task: Job, kind: str) -> str:
    found = installed(task, kind)
    if not found:
        raise UserError(
            f"no schedule '{task.name}' is installed with {kind}: `genvision schedule create "
            "... --local --install` makes one"
        )
    return found


def _others(task: Job) -> list[str]:
    return [line for line in _crontab() if not line.endswith(task.mark)]


def _crontab() -> list[str]:
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []  # 1: there is none yet


def _write_crontab(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(["crontab", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"crontab refuses: {' '.join(done.stderr.split()) or done.returncode}")


def _systemctl(*words: str) -> None:
    if error := _call(["systemctl", "--user", *words]):
        raise UserError(
            f"'systemctl --user {' '.join(words)}' failed: {error}; without a systemd session of "
            "your own give --with crontab, or leave out --install and copy what is printed"
        )


def _call(command: list[str]) -> str:
    """Run a command; return what is wrong, empty when nothing is."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = " ".join((done.stderr or done.stdout).split())
    return (said or f"exit code {done.returncode}") if done.returncode else ""


def _remove_units(task: Job) -> None:
    for ending in ("service", "timer"):
        (Path.home() / UNITS / f"{task.unit}.{ending}").unlink(missing_ok=True)


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Quote a word for ExecStart, where % and $ mean something even in quotes."""
    text = _escaped(word).replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if text != word or not word or " " in word or "'" in word else word
