"""The image: its context, its steps with stand-ins for installers, its locks, its smoke test."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "kubeflow" / "Dockerfile"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    found = PIN.findall((ROOT / name).read_text())
    return {canonicalize_name(package): version for package, version in found}


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """Stage -> its instructions as (word, rest), continuation lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            name = rest.split(" AS ")[1]
            found[name] = []
        found[name].append((word, " ".join(rest.split())))
    return found


def of(stage: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for found, rest in stage if found == word]


def context() -> set[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    paths = exclude_paths(str(ROOT), patterns, dockerfile="kubeflow/Dockerfile")
    return {path for path in paths if (ROOT / path).is_file()}


def test_the_context_is_what_is_copied_and_nothing_else(stages) -> None:
    copied = [s for rest in of(stages["builder"], "COPY") for s in rest.split()[:-1]]
    files = context() - {".dockerignore", "kubeflow/Dockerfile"}
    for source in copied:
        assert any(f == source or f.startswith(f"{source}/") for f in files), source
    assert {f for f in files if not any(f == s or f.startswith(f"{s}/") for s in copied)} == set()
    assert not any("__pycache__" in f or f.endswith(".env") for f in files)
    assert sum((ROOT / f).stat().st_size for f in files) < 20e6


def test_the_package_data_that_setup_names_is_in_the_context() -> None:
    files = context()
    for name in ("pipeline/configs/digits_cgan.yaml", "pipeline/configs/beam/flink.yaml"):
        assert name in files
    for folder in ("components/metrics/weights/", "components/schemas/", "serving/k8s/base/"):
        assert any(f.startswith(folder) for f in files), folder


def test_stages_share_one_debian_and_end_without_rights(stages) -> None:
    assert of(stages[""], "ARG")[0] == "PYTHON_IMAGE=python:3.11-slim-trixie"
    beam = of(stages[""], "ARG")[1]
    assert (
        beam == f"BEAM_IMAGE=apache/beam_python3.11_sdk:{pins('requirements.lock')['apache-beam']}"
    )
    for name in ("builder", "base"):
        assert of(stages[name], "FROM") == [f"${{PYTHON_IMAGE}} AS {name}"]
    assert [*stages][-1] == "runtime" and of(stages["runtime"], "FROM") == ["base AS runtime"]
    assert of(stages["base"], "USER") == ["10001:10001"]
    for name in ("runtime", "worker"):
        assert not of(stages[name], "USER") and not of(stages[name], "RUN")
    assert of(stages["worker"], "ENTRYPOINT") == ['["/opt/apache/beam/boot"]']
    (labels,) = of(stages["base"], "LABEL")
    keys = {key for key in re.findall(r"org\.opencontainers\.image\.(\w+)=", labels)}
    assert keys >= {"title", "description", "licenses", "version", "revision", "created"}


def test_only_classic_features_so_that_every_builder_takes_it(stages) -> None:
    for stage in stages.values():
        for word, rest in stage:
            assert not (word in ("RUN", "COPY") and rest.startswith("--mount")), rest
            assert not (word == "COPY" and "--chmod" in rest) and "<<" not in rest


@pytest.fixture
def build(tmp_path):
    """Run a RUN step under a shell whose installers only write down what they were told."""
    for name in ("uv", "install"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n')
        (tmp_path / name).chmod(0o755)

    def run(step: str, **arguments: str) -> tuple[int, list[str], str]:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **arguments}
        done = subprocess.run(
            ["/bin/sh", "-c", step], capture_output=True, text=True, check=False, env=environment
        )
        calls = tmp_path / "calls"
        return (
            done.returncode,
            calls.read_text().splitlines() if calls.exists() else [],
            done.stderr,
        )

    return run


@pytest.mark.parametrize(
    ("gpu", "locks"),
    [("0", ["requirements.lock"]), ("1", ["requirements.lock", "requirements-cuda.lock"])],
)
def test_the_lock_of_the_makefile_is_installed_and_cuda_on_request(stages, build, gpu, locks):
    (step,) = (rest for rest in of(stages["builder"], "RUN") if "GPU" in rest)
    code, calls, _ = build(step, GPU=gpu)
    assert code == 0
    options = "pip install --no-deps --require-hashes --compile-bytecode -r"
    assert calls == [f"uv {options} {lock}" for lock in locks]
    assert options.split("-r")[0] in (ROOT / "Makefile").read_text().replace(
        "--quiet --python $(BIN)/python ", ""
    )


def test_another_value_for_gpu_is_refused_in_one_line(stages, build) -> None:
    (step,) = (rest for rest in of(stages["builder"], "RUN") if "GPU" in rest)
    code, calls, error = build(step, GPU="yes")
    assert (code, calls) == (2, [])
    assert error == "GPU is 'yes': give --build-arg GPU=0 or GPU=1\n"


def test_the_cuda_lock_is_what_tensorflow_asks_and_repeats_nothing() -> None:
    locked = pins("requirements-cuda.lock")
    asked = {}
    for line in metadata.requires("tensorflow") or ():
        requirement = Requirement(line)
        if requirement.marker and "and-cuda" in str(requirement.marker):
            asked[canonicalize_name(requirement.name)] = requirement.specifier
    assert locked.keys() == asked.keys()
    assert all(Version(locked[name]) in specifier for name, specifier in asked.items())
    assert not locked.keys() & pins("requirements.lock").keys()
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements-cuda.lock").read_text())
    assert all("--hash=sha256:" in block for block in blocks if PIN.match(block))


@pytest.fixture(scope="module")
def smoke():
    spec = importlib.util.spec_from_file_location("smoke", ROOT / "kubeflow" / "smoke.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_smoke_names_what_fails_and_goes_on(smoke, monkeypatch, capsys) -> None:
    def broken() -> str:
        raise OSError("no such library")

    monkeypatch.setattr(smoke, "CHECKS", (broken, smoke.recipes, smoke.metadata))
    monkeypatch.setattr(sys, "argv", ["genvision-smoke", "--allow-root"])
    assert smoke.main() == 1
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in words] == [
        *(["FAILED", "broken"], ["ok", "recipes"], ["ok", "metadata"]),
    ]
    monkeypatch.setattr(smoke, "CHECKS", (smoke.recipes,))
    assert smoke.main() == 0


def test_smoke_refuses_root_and_a_missing_gpu_where_they_matter(smoke, monkeypatch, capsys):
    monkeypatch.setattr(smoke, "CHECKS", ())
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["genvision-smoke"])
    assert smoke.main() == 1
    assert "no_root" in capsys.readouterr().out
    monkeypatch.setattr(os, "getuid", lambda: 10001)
    assert smoke.main() == 0


@pytest.mark.slow
def test_everything_that_smoke_checks_works_in_this_environment() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "kubeflow" / "smoke.py", "--allow-root"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * 6
