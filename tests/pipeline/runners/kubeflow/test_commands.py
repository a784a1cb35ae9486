"""`genvision kubeflow` as a person types it: mistakes are one line, exit code 2, nothing made."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.runners.kubeflow import package_file
from pipeline.runners.kubeflow.execute import SUCCEEDED, Executor

COMPILE = ("compile", "digits_cgan", "--out", "package.yaml")


def mistake(folder: Path, monkeypatch: pytest.MonkeyPatch, *args: str) -> str:
    """Run the command where it must end with exit code 2; return its line."""
    before = set(folder.rglob("*"))
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(cli.cli, ["kubeflow", *args])
    assert done.exception is not None and cli._exit_code(done.exception) == 2, done.output
    assert set(folder.rglob("*")) == before, "nothing is left behind"
    line = str(getattr(done.exception, "message", "") or done.exception)
    assert line and "\n" not in line
    return line


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (COMPILE, "no image to run the nodes in: set kubernetes.image"),
        ((*COMPILE, "--image", "reg/gan"), "an image without a tag"),
        (
            (*COMPILE, "--image", "reg/gan:1", "--set", "kubernetes.nodes.Trianer.cpu=2"),
            "unknown node in kubernetes.nodes 'Trianer': did you mean 'Trainer'",
        ),
        (
            (*COMPILE, "--image", "reg/gan:1", "--set", "kubernetes.parameters=[train.stesp]"),
            "names 'train.stesp', which is no key of this recipe",
        ),
        (
            ("compile", "digits_cgan", "--image", "reg/gan:1", "--out", "package.txt"),
            "should end in .yaml",
        ),
        (("execute", "missing.yaml"), "no package 'missing.yaml'"),
        (("execute", "any.yaml", "--param", "steps"), "should be NAME=VALUE"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, args, words: str) -> None:
    assert words in mistake(tmp_path, monkeypatch, *args)


def test_an_edited_package_does_not_run(sample_in, tmp_path, monkeypatch) -> None:
    text = sample_in().path.read_text()
    (tmp_path / "edited.yaml").write_text(text.replace("reg/sample:1", "reg/sample:2", 1))
    assert "was edited by hand" in mistake(tmp_path, monkeypatch, "execute", "edited.yaml")


def test_a_wrong_parameter_runs_nothing(sample_in, tmp_path, monkeypatch) -> None:
    package = str(sample_in().path)
    line = mistake(tmp_path, monkeypatch, "execute", package, "--param", "leest=3")
    assert "unknown parameter of the package 'leest': did you mean 'least'" in line


def test_the_seal_is_of_the_whole_text(sample_in) -> None:
    text = sample_in().path.read_text()
    assert text.count(package_file.SEAL) == 1 and text.splitlines()[-1].startswith("# sealed")


@pytest.mark.slow
def test_a_package_runs_by_processes_of_its_own(sample_in, monkeypatch) -> None:
    """All but the exit task ran already, by forks; here both ways meet in one run's metadata."""
    sample = sample_in()
    sample.execute()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "sample"))
    package = package_file.read(sample.path)
    for task in package.spec.components["comp-exit-handler-1"].dag.tasks.keys() - {"give"}:
        del package.spec.components["comp-exit-handler-1"].dag.tasks[task]
    execution = Executor(package, sample.folder / "out", {}, 0.0).run()
    assert execution.state == SUCCEEDED
    assert sample.run(execution).state("Give") == "cached"
    assert "Give: cached in" in sample.log(execution, "give")
    summary = execution.tasks["exit-report"].folder / "summary"
    assert "| Give | cached |" in summary.read_text()
