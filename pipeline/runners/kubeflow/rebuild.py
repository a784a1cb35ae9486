"""Wire a recipe's pipeline again inside a container, for a run that was given other values."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tfx.orchestration.portable import tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline import build, config
from pipeline.paths import Paths
from pipeline.recipe import Recipe
from pipeline.runners.kubeflow import parameters
from pipeline.runners.kubeflow.parameters import Parameter
from trainer.errors import UserError

OUTPUT, DATA = "output_dir", "data_dir"


@dataclass(frozen=True)
class Offer:
    """What a package of a recipe lets its runs choose."""

    parameters: list[Parameter]
    content: dict[str, Any]
    """For the nodes: the recipe, the keys that can be given anew, the values as compiled."""


def offer(recipe: Recipe) -> Offer:
    """Describe a recipe's choices: its parameters, its output folder and its data folder.

    Raises:
      UserError: A key does not exist, or there is no storage for the folders.
    """
    own = paths(recipe)
    folders = {OUTPUT: str(own.output), DATA: own.data}
    tree = recipe.model_dump(mode="json", exclude={"kubernetes"})
    chosen = parameters.of_recipe(tree, recipe.kubernetes.parameters)
    found = [
        *(Parameter(name, str, folder, name) for name, folder in folders.items()),
        *chosen,
    ]
    parameters.check_names(found)
    content = {
        "recipe": recipe.model_dump(mode="json", exclude={"kubernetes"}, exclude_defaults=True),
        "keys": list(recipe.kubernetes.parameters),
        "folders": folders,
    }
    return Offer(found, content)


def paths(recipe: Recipe) -> Paths:
    """Return a recipe's folders on the storage that all its nodes see.

    Raises:
      UserError: There is no such storage.
    """
    storage = recipe.kubernetes.storage
    if storage is None:
        raise UserError(
            "kubernetes.storage is null: a recipe's runs need a volume that all nodes see; name "
            "its claim"
        )
    root = Path(storage.mount_path)
    return Paths.of(recipe.name, str(root / "runs" / recipe.name), str(root / "data"))


def changed(content: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Tell whether a run must be wired anew: other values than compiled with, or an own folder.

    The files of one's own folder are part of the wiring (their fingerprint is), and a recurring run
    must see those that came after its package was compiled.
    """
    if content["recipe"]["data"].get("folder"):
        return True
    defaults = {p.name: p.default for p in _chosen(content)} | content["folders"]
    return any(name in given and given[name] != value for name, value in defaults.items())


def wire(content: Mapping[str, Any], given: Mapping[str, Any]) -> pipeline_pb2.Pipeline:
    """Wire and compile a recipe's pipeline for one run.

    Args:
      content: An offer's content.
      given: The run's values by Kubeflow's names; the others stay as they were compiled.

    Raises:
      UserError: A value is not what the recipe takes.
    """
    overrides = [
        parameters.override(one, given[one.name]) for one in _chosen(content) if one.name in given
    ]
    recipe = _recipe(content, overrides)
    folders = {**content["folders"], **{k: given[k] for k in (OUTPUT, DATA) if k in given}}
    pipeline = build.create_pipeline(recipe, Paths.of(recipe.name, folders[OUTPUT], folders[DATA]))
    return tfx_runner._make_pipeline_proto(pipeline)


def _chosen(content: Mapping[str, Any]) -> list[Parameter]:
    tree = _recipe(content, []).model_dump(mode="json", exclude={"kubernetes"})
    return parameters.of_recipe(tree, content["keys"])


def _recipe(content: Mapping[str, Any], overrides: list[str]) -> Recipe:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump(content["recipe"]), encoding="utf-8")
        return config.load(str(path), overrides)
