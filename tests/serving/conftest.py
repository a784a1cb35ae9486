"""Fixtures of the serving tests: saved models, pushes, running servers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import serving_models

from serving import config
from serving.model_server import ModelServer

Push = Callable[[Path, Path, str | int], Path]


@pytest.fixture(scope="session")
def generator_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "generator"
    return serving_models.save_generator(serving_models.Generator(), folder)


@pytest.fixture(scope="session")
def kit_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving_models.save_kit(tmp_path_factory.mktemp("saved") / "kit")


@pytest.fixture(scope="session")
def push() -> Push:
    """Put a SavedModel into a base path as a version, in one rename."""

    def put(model: Path, base: Path, version: str | int) -> Path:
        base.mkdir(parents=True, exist_ok=True)
        part = base / f"tmp-{version}"
        shutil.copytree(model, part)
        return part.rename(base / str(version))

    return put


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, generator_dir: Path, kit_dir: Path, push: Push
) -> Iterator[ModelServer]:
    """One server with the models "digits" (version 3) and "kit" (versions 1 and 2, "stable" 1)."""
    root = tmp_path_factory.mktemp("models")
    push(generator_dir, root / "digits", 3)
    push(kit_dir, root / "kit", "0001")
    push(kit_dir, root / "kit", 2)
    both = config.Policy()
    both.all.SetInParent()
    models = config.single("digits", root / "digits")
    models["kit"] = config.ModelSettings("kit", root / "kit", both, {"stable": 1})
    with ModelServer(models, port=0, poll_s=0.05) as running:
        yield running
