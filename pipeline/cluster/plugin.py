"""Give the plain `tfx` command its Kubeflow engine: a lazy import hook for four modules of TFX.

TFX 1.16 removed modules that its own Kubeflow handler imports. No file of TFX is touched: a finder
answers for these names alone, when somebody asks for them. Imports nothing but `os` and `sys`:
every Python start of the environment reads this module (`genvision_tfx.pth`, see setup.py).
"""

from __future__ import annotations

import os
import sys

SWITCH = "GENVISION_TFX_PLUGIN"
"""Environment variable; `off` (or 0, no, false) leaves TFX as it was published."""

HANDLER = "tfx.tools.cli.handler.kubeflow_handler"
FACTORY = "tfx.tools.cli.handler.handler_factory"
V1 = "tfx.v1.orchestration.experimental"
LEGACY = "pipeline.cluster.legacy_runner"
SUPPLIED = {
    HANDLER: "pipeline.cluster.handler",
    "tfx.orchestration.kubeflow.kubeflow_dag_runner": LEGACY,
}
"""Module name of TFX -> our module that stands under this name."""

V1_NAMES = (
    "KubeflowDagRunner",
    "KubeflowDagRunnerConfig",
    "LABEL_KFP_SDK_ENV",
    "get_default_kubeflow_metadata_config",
)
"""What `V1` had until TFX 1.15; given back on demand."""

REPAIR = "python -m pip install --force-reinstall --no-deps genvision"


class Finder:
    """Answers for the modules of `SUPPLIED`, adds to those of `WRAPPED`; other names pass by."""

    @classmethod
    def find_spec(cls, name: str, path=None, target=None):
        """Find one module (the import system's protocol)."""
        if name in SUPPLIED:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, _Alias(SUPPLIED[name]))  # type: ignore[arg-type]
        if name not in WRAPPED:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not cls else None
            if spec is not None:
                spec.loader = _Wrapping(spec.loader, WRAPPED[name])  # type: ignore[assignment]
                return spec
        return None


class _Alias:
    """Loads our own module; it keeps its own name and spec."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec):
        from importlib import import_module

        self._module = import_module(self._name)
        self._spec = self._module.__spec__
        return self._module

    def exec_module(self, module) -> None:
        module.__spec__ = self._spec


class _Wrapping:
    """Loads a module with its own loader, then lets a function add to it."""

    def __init__(self, loader, add) -> None:
        self._loader, self._add = loader, add

    def __getattr__(self, name: str):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module) -> None:
        self._loader.exec_module(module)
        self._add(module)


def install() -> None:
    """Put the finder first, once, unless `SWITCH` says off; modules imported before are seen to."""
    if switched_off() or Finder in sys.meta_path:
        return
    sys.meta_path.insert(0, Finder)
    for name, add in WRAPPED.items():
        if name in sys.modules:
            add(sys.modules[name])


def switched_off() -> bool:
    """Tell whether `SWITCH` says no."""
    return os.environ.get(SWITCH, "").lower() in ("off", "0", "no", "false")


def trouble() -> str:
    """Say why the `tfx` command would not reach our engine, and the repair; empty when it does."""
    if switched_off():
        return f"the plug-in is switched off: unset {SWITCH}"
    if Finder not in sys.meta_path:
        return f"genvision_tfx.pth is not in effect in {sys.prefix}; repair: {REPAIR}"
    for finder in sys.meta_path[: sys.meta_path.index(Finder)]:
        find = getattr(finder, "find_spec", None)
        if find and find(HANDLER, None, None) is not None:
            return _replaced(f"{type(finder).__module__}.{type(finder).__qualname__}")
    module = sys.modules.get(HANDLER)
    if module is not None and module.__name__ != SUPPLIED[HANDLER]:
        return _replaced(str(getattr(module, "__file__", None) or module.__name__))
    return ""


def _replaced(by: str) -> str:
    return (
        f"another installation answers for TFX's Kubeflow handler ({by}): uninstall that one, or "
        f"repair ours: {REPAIR}"
    )


def _wrap_factory(factory) -> None:
    """Let `create_handler` choose our engine without asking pip; the rest goes to TFX's own."""
    upstream = factory.create_handler
    if getattr(upstream, "by_genvision", False):
        return

    def create_handler(flags_dict):
        from pipeline.cluster import engine

        return engine.create_handler(flags_dict, upstream)

    create_handler.by_genvision = True  # type: ignore[attr-defined]
    create_handler.__doc__ = upstream.__doc__
    factory.create_handler = create_handler


def _extend_v1(module) -> None:
    """Give back the names of old pipeline files, imported when somebody asks."""

    def get(name: str):
        if name not in V1_NAMES:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(LEGACY), name)

    module.__getattr__ = get


WRAPPED = {FACTORY: _wrap_factory, V1: _extend_v1}
"""Module of TFX -> what is added to it once it is loaded."""
