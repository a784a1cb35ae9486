"""Shell completion: the script that asks for it, and what may stand where in our commands.

Light: a shell waits for every answer, so nothing that reads metadata or imports TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from pipeline.paths import RUNS, Paths

Completer = Callable[[click.Context, str], Iterable[str | CompletionItem]]

VARIABLE = "_GENVISION_COMPLETE"
"""Environment variable by which a shell asks; click's name for a program called genvision."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete our commands.

    \b
    bash: eval "$(genvision completion bash)" in ~/.bashrc
    zsh:  eval "$(genvision completion zsh)" in ~/.zshrc, after compinit
    fish: genvision completion fish > ~/.config/fish/completions/genvision.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "genvision", VARIABLE).source())


class _Completed(click.ParamType):
    """A type that a completer knows good examples of; all else is taken as before."""

    def __init__(self, complete: Completer) -> None:
        self._complete = complete

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """See `click.ParamType.shell_complete`."""
        found = self._complete(ctx, incomplete)
        return [w if isinstance(w, CompletionItem) else CompletionItem(w) for w in found]


class Words(_Completed, click.types.StringParamType):
    """Text."""


class Numbers(_Completed, click.types.IntParamType):
    """Whole numbers."""


KINDS: dict[type, type[_Completed]] = {
    click.types.StringParamType: Words,
    click.types.IntParamType: Numbers,
}


def attach(root: click.Group) -> None:
    """Give every plain parameter its completer, by its name or by what it stands for."""
    for path, command in _commands(root, ""):
        for param in command.params:
            metavar = param.metavar or ""
            known = f"{path} {param.name}", param.name or "", metavar.partition("|")[0]
            complete = next((COMPLETERS[key] for key in known if key in COMPLETERS), None)
            if complete and type(param.type) in KINDS:
                param.type = KINDS[type(param.type)](complete)


def _commands(group: click.Group, path: str) -> Iterable[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _recipes(ctx: click.Context, incomplete: str) -> list[str | CompletionItem]:
    from pipeline import config

    # A recipe may also be a file of one's own.
    return [*_matching(config.names(), incomplete)] or _files(ctx, incomplete)


def _runs(ctx: click.Context, incomplete: str) -> list[str]:
    return _matching(
        sorted(path.parent.name for path in RUNS.glob("*/metadata.sqlite")), incomplete
    )


def _datasets(ctx: click.Context, incomplete: str) -> list[str]:
    from components.datasets import DATASETS

    return _matching(DATASETS, incomplete)


def _nodes(ctx: click.Context, incomplete: str) -> list[str]:
    from pipeline import nodes

    recipe = _recipe()
    return _matching(nodes.of(recipe) if recipe else nodes.NODES, incomplete)


def _settings(ctx: click.Context, incomplete: str) -> list[str]:
    """Complete `train.st` to `train.steps=`, by the recipe that is named before."""
    from pipeline import config

    recipe = _recipe()
    keys = (f"{key}=" for key, _ in config.settings(recipe)) if recipe else ()
    return _matching(keys, incomplete)


def _versions(ctx: click.Context, incomplete: str) -> list[str]:
    """Complete the number of a pushed version, the newest first, or a label."""
    given = ctx.params
    output = Paths.of(given.get("recipe") or "digits_cgan", given.get("output_dir")).output
    numbers = (path.name for path in output.glob("serving/*/*") if path.name.isdecimal())
    labels = () if ctx.command.name in ("promote", "pin", "canary") else ("stable", "previous")
    return _matching([*sorted(numbers, key=int, reverse=True), *labels], incomplete)


def _recipe() -> Any:
    """Return the recipe that the line names.

    It is looked for among the words: click stops at the option whose value is being typed, before
    it comes to the arguments.
    """
    from pipeline import config
    from trainer.errors import UserError

    for word in os.environ.get("COMP_WORDS", "").split():
        if word in config.names() or (word.endswith((".yaml", ".yml")) and Path(word).is_file()):
            with contextlib.suppress(UserError):
                return config.load(word)
    return None


def _files(ctx: click.Context, incomplete: str) -> list[str | CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _folders(ctx: click.Context, incomplete: str) -> list[str | CompletionItem]:
    return [CompletionItem(incomplete, type="dir")]


COMPLETERS: dict[str, Completer] = {
    "recipe": _recipes,
    "run": _runs,
    "runs run": lambda ctx, text: _runs(ctx, text) or _recipes(ctx, text),
    "status run": _recipes,
    "logs run": _recipes,
    "compare names": _runs,
    "lineage model": _runs,
    "data prepare name": _datasets,
    "data show name": _datasets,
    "extractor train name": _datasets,
    "overrides": _settings,
    "first": _nodes,
    "last": _nodes,
    "node": _nodes,
    "version": _versions,
    "kubeflow execute package": _files,
    "evaluate model": _files,
    **dict.fromkeys(("PNG", "FILE", "HTML", "YAML", "NPZ"), _files),
    "DIR": _folders,
}
"""What completes a parameter: by "command parameter", by its name, or by its metavar."""
