"""`--build-image`: the exact command without an engine, the engine's own tools with one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.cluster import image
from trainer.errors import UserError

DOCKER = """#!/bin/sh
echo "$@" >> calls
case "$1" in
inspect) echo "registry:5000/team/gan@sha256:0123" ;;
push) [ -f refuse ] && exit 1 ;;
esac
exit 0
"""
TARGET = "registry:5000/team/gan:1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder where no engine answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_without_an_engine(folder: Path) -> None:
    with pytest.raises(UserError) as caught:
        image.build(TARGET, "base:1")
    assert str(caught.value).endswith(
        f"docker build --tag {TARGET} --file Dockerfile . && docker push {TARGET}"
    )
    assert Path("Dockerfile").read_text().startswith("FROM base:1\n")  # what the command builds


def test_by_the_docker_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "docker").write_text(DOCKER)
    (folder / "bin" / "docker").chmod(0o755)
    os.environ["PATH"] += f"{os.pathsep}/bin"
    Path("Dockerfile").write_text("FROM mine:1\n")
    assert image.build(TARGET, None) == "registry:5000/team/gan@sha256:0123"
    assert Path("calls").read_text().splitlines()[1:3] == [
        f"build --tag {TARGET} --file Dockerfile .", f"push {TARGET}",
    ]  # fmt: skip
    assert Path("Dockerfile").read_text() == "FROM mine:1\n"
    said = capsys.readouterr().out
    assert 'New container image "registry:5000/team/gan@sha256:0123" was built.' in said
    Path("refuse").touch()
    with pytest.raises(UserError, match=f"'docker push {TARGET}' failed"):
        image.build(TARGET, None)


def test_by_the_sdk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tfx.tools.cli.container_builder import builder

    monkeypatch.setattr(image, "_sdk_reaches_engine", lambda: True)
    monkeypatch.setattr(builder, "build", lambda target_image, base_image: f"{target_image}@x")
    assert image.build("team/gan:1", None) == "team/gan:1@x"


def test_images_that_are_not_ones_own(folder: Path) -> None:
    from tfx.tools.cli.container_builder import labels

    with pytest.raises(UserError, match="Default image for KubeflowDagRunner given"):
        image.build(labels.BASE_IMAGE, None)
    with pytest.raises(UserError, match="name the image in KubeflowDagRunnerConfig"):
        image.build(None, None)
    assert not list(folder.iterdir())


def test_the_project_s_own_dockerfile_is_taken(folder: Path) -> None:
    (folder / "kubeflow").mkdir()
    (folder / "kubeflow" / "Dockerfile").write_text("FROM scratch\n")
    assert image.commands(TARGET)[0][-3:] == ["--file", "kubeflow/Dockerfile", "."]
    (folder / "Dockerfile").write_text("FROM scratch\n")
    assert image.commands(TARGET)[0][-3:] == ["--file", "Dockerfile", "."]
