"""Shell completion by click's own protocol, as a shell asks for it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

GENVISION = str(Path(sys.executable).parent / "genvision")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working directory in which one recipe ran and pushed two versions."""
    (tmp_path / "runs/digits_cgan").mkdir(parents=True)
    (tmp_path / "runs/digits_cgan/metadata.sqlite").touch()
    for version in ("9", "10"):
        (tmp_path / "runs/digits_cgan/serving/digits" / version).mkdir(parents=True)
    return tmp_path


def complete(line: str, place: Path) -> list[str]:
    """Ask for the last word of a line; returns "kind,value" each."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [GENVISION],
        env={**os.environ, "_GENVISION_COMPLETE": "bash_complete", **asked},
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("genvision doc", ["plain,doctor"]),
        ("genvision run digits_", ["plain,digits_cgan"]),
        ("genvision run my.ya", ["file,my.ya"]),
        ("genvision run digits_cgan --from Tr", ["plain,Trainer"]),
        ("genvision logs digits_cgan --node Ex", ["plain,ExampleValidator"]),
        ("genvision run digits_cgan --set train.steps_", ["plain,train.steps_per_call="]),
        ("genvision run digits_cgan --output-dir some", ["dir,some"]),
        ("genvision inspect digits_cgan --stage b", ["plain,batch"]),
        ("genvision data prepare coco_f", ["plain,coco_folder"]),
        ("genvision extractor train fash", ["plain,fashion_mnist"]),
        ("genvision report ", ["plain,digits_cgan"]),
        ("genvision versions promote ", ["plain,10", "plain,9"]),
        ("genvision generate --version s", ["plain,stable"]),
        ("genvision kubeflow execute pack", ["file,pack"]),
        ("genvision completion ", ["plain,bash", "plain,fish", "plain,zsh"]),
    ],
)  # fmt: skip
def test_what_may_stand_there(line: str, found: list[str], place: Path) -> None:
    assert sorted(complete(line, place)) == sorted(found)


def test_a_broken_recipe_file_completes_to_nothing(place: Path) -> None:
    (place / "bad.yaml").write_text("model: {}")
    assert complete("genvision run bad.yaml --set tr", place) == []


def work_of(ask: Callable[[], object]) -> float:
    """Least seconds of the processor that child processes took in three tries."""
    tries = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ask()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        tries.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(tries)


def test_an_answer_takes_less_than_half_a_second(place: Path) -> None:
    """On a machine that is busy with other things, as long as thirty starts of Python."""
    nothing = work_of(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
    answer = work_of(lambda: complete("genvision run digits_cgan --from Tr", place))
    assert answer < max(0.5, 30 * nothing)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_as_we_answer(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [GENVISION, "completion", shell], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"_GENVISION_COMPLETE={shell}_complete" in done.stdout
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)
