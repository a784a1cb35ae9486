"""Build and push the image of a pipeline for `--build-image`, or say the exact command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import click

from trainer.errors import UserError

OURS = "kubeflow/Dockerfile"


def build(target: str | None, base: str | None) -> str:
    """Build the folder's image, push it and return its name with the digest.

    `Dockerfile` is taken, else `kubeflow/Dockerfile` with the working directory as its context; a
    Dockerfile is made where there is neither, as TFX does. Docker's SDK is used where it reaches an
    engine, else the `docker` command, which knows contexts and remote engines too.

    Raises:
      UserError: No image is configured, it is TFX's own, or there is no engine; then the message
        holds the command to run elsewhere.
    """
    from tfx.tools.cli.container_builder import dockerfile, labels

    if not target:
        raise UserError("--build-image: name the image in KubeflowDagRunnerConfig(image=...)")
    if target == labels.BASE_IMAGE:
        raise UserError(
            "Default image for KubeflowDagRunner given and used with --build-image flag. If you "
            "want to use your custom image, please specify the image name that will be built at "
            "the KubeflowDagRunnerConfig. Otherwise, do not use --build-image flag."
        )
    registry_port = ":" in target.partition("/")[0] and "/" in target
    # TFX's builder takes no port and no other file.
    if _file() != OURS and not registry_port and _sdk_reaches_engine():
        from tfx.tools.cli.container_builder import builder

        built = str(builder.build(target_image=target, base_image=base))
    else:
        if _file() != OURS:
            dockerfile.Dockerfile(filename=labels.DOCKERFILE_NAME, base_image=base)
        built = _by_command(target)
    click.echo(f'New container image "{built}" was built.')
    return built


def commands(target: str) -> list[list[str]]:
    """List what builds and pushes `target` from the working directory."""
    return [
        ["docker", "build", "--tag", target, "--file", _file(), "."],
        ["docker", "push", target],
    ]


def _file() -> str:
    theirs = Path("Dockerfile")
    return OURS if Path(OURS).exists() and not theirs.exists() else str(theirs)


def _by_command(target: str) -> str:
    words = commands(target)
    if not _works(["docker", "version"]):
        raise UserError(
            "no Docker engine answers; run this where one does, then repeat without --build-image: "
            + " && ".join(map(shlex.join, words))
        )
    for command in words:
        if subprocess.run(command, check=False).returncode:
            raise UserError(f"'{shlex.join(command)}' failed; its output above has the cause")
    inspect = ["docker", "inspect", "--format", "{{index .RepoDigests 0}}", target]
    return subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()


def _works(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _sdk_reaches_engine() -> bool:
    try:
        import docker  # type: ignore[import-untyped]

        docker.from_env(timeout=10).ping()
    except (ImportError, OSError):
        return False
    except docker.errors.DockerException:
        return False
    return True
