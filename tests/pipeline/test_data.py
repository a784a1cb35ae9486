"""`genvision data`: preparing, using what is prepared, being offline, being interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.cli import cli
from trainer.errors import UserError

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "data", "prepare"]


def run(*args: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args], cwd=folder, capture_output=True, text=True, check=False
    )


def test_made_once_and_then_used_as_it_is(tmp_path):
    given = ("scenes", "--data-dir", "d", "--size", "40", "--seed", "5")
    first = run(*given, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "rendering scenes (train): 40/40" in first.stderr
    line = "scenes 1.0.0 is ready in d/scenes/size40-seed5/1.0.0: train 40, test 10"
    assert first.stdout.strip() == line
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = run(*given, folder=tmp_path)
    assert (again.stdout.strip(), again.stderr) == (line, "")
    assert files == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}


def test_offline_and_nothing_prepared_is_one_line(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(UserError) as caught:
        cli.main(["data", "prepare", "mnist", "--data-dir", str(tmp_path)], standalone_mode=False)
    assert str(caught.value).endswith(
        "storage.googleapis.com cannot be reached; give a data_dir that holds mnist/3.0.1/, "
        "prepared by tensorflow-datasets on a machine with a network"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(tmp_path, number, code):
    given = [*COMMAND, "scenes", "--data-dir", "d", "--size", "100000"]
    process = subprocess.Popen(given, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    try:
        while not list(tmp_path.glob("d/scenes/*/*incomplete*")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        _, error = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == code
    line = "genvision: interrupted: nothing half-prepared is left, run the command again"
    assert line in error.splitlines()
    assert "Error" not in error
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not list(tmp_path.rglob("1.0.0*"))


def test_the_list_names_every_data_set(capsys):
    from components import datasets

    cli.main(["data", "list"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == list(datasets.DATASETS)
    assert "train 60,000, test 10,000" in lines[[x.startswith("mnist") for x in lines].index(True)]


def test_an_unknown_data_set_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean 'scenes'"):
        cli.main(["data", "prepare", "scense"], standalone_mode=False)


def test_show_draws_the_records_of_any_data_set(tmp_path, capsys):
    own = tmp_path / "own"
    (own / "train" / "cat").mkdir(parents=True)
    Image.new("RGB", (12, 8), "red").save(own / "train" / "cat" / "1.png")
    (own / "train" / "cat" / "2.png").write_bytes(b"broken")
    given = ["--data-dir", str(tmp_path / "d"), "--out", str(tmp_path / "sheet.png")]
    cli.main(["data", "show", "image_folder", "--folder", str(own), *given], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "image", "label"]
    assert sorted(line.split()[0] for line in lines[1:-1]) == ["train/cat/1.png", "train/cat/2.png"]
    assert sum("PNG 8x12 RGB" in line for line in lines) == 1
    assert sum("not an image, 6 bytes" in line for line in lines) == 1
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 2 * 96
        assert (255, 0, 0) in {colour for _, colour in sheet.getcolors(1 << 16)}
