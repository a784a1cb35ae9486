"""The command as a person types it: real processes, exit codes, one line per mistake."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

GENVISION = [str(Path(sys.executable).parent / "genvision")]


def genvision(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GENVISION, *args], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "args",
    [("--help",), ("recipes",), ("show", "digits_cgan"), ("run", "digits_cgan", "--dry-run")],
)
def test_light_commands_import_nothing_heavy(args: tuple[str, ...], tmp_path: Path) -> None:
    probe = (
        "import sys, json\nfrom pipeline.cli import cli\n"
        f"cli.main({list(args)!r}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'apache_beam', 'tfx', 'kfp', 'keras', 'sklearn'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_dry_run_shows_everything_and_touches_nothing(tmp_path: Path) -> None:
    done = genvision(
        "run", "digits_cgan", "--dry-run", "--set", "train.steps=7", "--to", "Trainer",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    assert "steps 7," in done.stdout
    assert "output runs/digits_cgan, data runs/data" in done.stdout
    assert done.stdout.rstrip().endswith("DataCheck > ReferenceStatistics > Trainer")
    assert not any(tmp_path.iterdir())


def test_show_prints_yaml_that_runs(tmp_path: Path) -> None:
    shown = genvision("show", "digits_cgan", "--set", "train.seed=3", cwd=tmp_path)
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    again = genvision("show", "mine.yaml", cwd=tmp_path)
    assert again.returncode == 0
    body = [line for line in shown.stdout.splitlines() if not line.startswith("#")]
    assert again.stdout.splitlines() == body
    assert "  seed: 3" in body


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("run", "digits"), "unknown recipe 'digits': did you mean 'digits_cgan'?"),
        (("run", "digits_cgan", "--set", "train.stps=1"), "did you mean 'train.steps'?"),
        (("run", "digits_cgan", "--from", "Trainr"), "did you mean 'Trainer'?"),
        (("run", "digits_cgan", "--from", "Trainer"), "run without --from first"),
        (
            ("run", "digits_cgan", "--set", "approve={required: true, key_file: no.key}"),
            "the approval key 'no.key' cannot be read",
        ),
        (("run", "digits_cgan", "--output-dir", "file/below"), "is a file; name a folder"),
        (("run",), "Missing argument 'RECIPE'"),
        (("rnu",), "No such command 'rnu'"),
        (("serve",), "no version of 'digits' in 'runs/digits_cgan/serving/digits'"),
        (("generate", "--label", "11"), "--label 11: 'digits_cgan' knows the labels 0 to 9"),
        (("generate", "--out", "no/such/x.png"), "there is no folder"),
        (
            ("batch", "--recipe", "gaussian_gan", "--out", "x"),
            "genvision generate --recipe gaussian_gan",
        ),
        (("generate", "--target", "127.0.0.1:1"), "no model server answers at 127.0.0.1:1"),
        (("inspect", "digits_cgan", "--stage", "batch"), "has not run in 'runs/digits_cgan' yet"),
        (
            ("inspect", "digits_cgan", "--stage", "btch"),
            "'record', 'example', 'tokens', 'batch', 'sample'",
        ),
    ],
)
def test_a_mistake_is_one_line_exit_code_two_and_nothing_written(
    args: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = genvision(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_busy_port_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs" / "digits_cgan" / "serving" / "digits" / "1").mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = genvision("serve", "digits_cgan", "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write anywhere")
def test_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    done = genvision("run", "digits_cgan", "--output-dir", "locked/x", cwd=tmp_path)
    assert done.returncode == 2 and "no permission to write" in done.stderr


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    done = genvision("run", "digits_cgan", "--output-dir", "/proc/genvision", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write to --output-dir '/proc/genvision'" in done.stderr
