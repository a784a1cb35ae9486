"""The import hook: lazy, idempotent, switched off by a variable, in every kind of installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.cluster import plugin

ROOT = Path(__file__).parents[3]
BUILD = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
HOOKED = """
import site, sys
site.addsitedir(sys.argv[1])
print(*[getattr(finder, "__module__", "") for finder in sys.meta_path][:1])
print(sum(name.split(".")[0] in ("tfx", "kfp", "click", "typing") for name in sys.modules))
"""


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without the hook."""
    monkeypatch.delenv(plugin.SWITCH, raising=False)
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if f is not plugin.Finder])


@pytest.mark.usefixtures("clean")
def test_install_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "genvision_tfx.pth is not in effect" in plugin.trouble()
    plugin.install()
    plugin.install()
    assert sys.meta_path.count(plugin.Finder) == 1 and sys.meta_path[0] is plugin.Finder
    assert plugin.trouble() == ""
    assert plugin.Finder.find_spec("json") is None
    assert plugin.Finder.find_spec("tfx") is None


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("value", ["off", "0", "No"])
def test_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(plugin.SWITCH, value)
    plugin.install()
    assert plugin.Finder not in sys.meta_path
    assert f"unset {plugin.SWITCH}" in plugin.trouble()


@pytest.mark.usefixtures("clean")
def test_somebody_else_answers_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin.install()
    other = type("Other", (), {"find_spec": lambda self, name, *rest: object()})
    sys.meta_path.insert(0, other())
    assert "another installation answers" in plugin.trouble()
    assert plugin.trouble().endswith(plugin.REPAIR)
    sys.meta_path.pop(0)
    monkeypatch.setitem(sys.modules, plugin.HANDLER, type(sys)("somebody.elses.handler"))
    assert "somebody.elses.handler" in plugin.trouble()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the editable wheel and the plain one from a copy of what they need."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("pipeline/__init__.py", "pipeline/cluster/__init__.py"):
        (source / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    shutil.copy(ROOT / "pipeline/cluster/plugin.py", source / "pipeline/cluster")
    for kind in ("build_editable", "build_wheel"):
        command = [sys.executable, "-c", BUILD, kind, str(out / kind)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    return sorted(out.glob("*/*.whl"))


@pytest.mark.parametrize("switch", ["", "off"])
@pytest.mark.parametrize("kind", [0, 1])
def test_every_installation_has_the_hook(
    wheels: list[Path], kind: int, switch: str, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheels[kind]) as wheel:
        wheel.extractall(tmp_path)
        record = next(name for name in wheel.namelist() if name.endswith("RECORD"))
        assert "genvision_tfx.pth,sha256=" in wheel.read(record).decode()
    done = subprocess.run(
        [sys.executable, "-S", "-c", HOOKED, str(tmp_path)],
        env={**os.environ, plugin.SWITCH: switch, "PYTHONPATH": ""},
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    first, heavy = done.stdout.splitlines()
    assert (first == "pipeline.cluster.plugin") is not bool(switch)
    assert heavy == "0" and not done.stderr


def test_the_hook_breaks_no_other_program(wheels: list[Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(wheels[1]) as wheel:
        wheel.extract("genvision_tfx.pth", tmp_path)  # the package itself is gone
    done = subprocess.run(
        [sys.executable, "-S", "-c", HOOKED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": ""},
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.stderr
