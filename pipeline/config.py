"""Find, override, check and print recipes. No TensorFlow here: `--dry-run` answers at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components import datasets
from components.evaluator.settings import Evaluation
from pipeline.recipe import RECIPES, CaptionRecipe, Recipe
from trainer.caption_settings import CaptionConfig, CaptionData
from trainer.errors import UserError, unknown_name
from trainer.gan_settings import GanConfig
from trainer.models import FAMILIES, task_of
from trainer.settings import DataSettings, TrainerConfig

CONFIGS = Path(__file__).parent / "configs"
CPU = "cpu"
"""Budget that every recipe is written for."""

SCORER = "components.metrics.training_fid:TrainingFid"
"""What scores images while training: named here, as the trainer may not know of it."""


def names() -> list[str]:
    """Return the names of all packaged recipes, sorted."""
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def load(recipe: str, overrides: Iterable[str] = ()) -> Recipe:
    """Resolve a recipe.

    Args:
      recipe: Name of a packaged recipe, or path of a YAML file of one's own.
      overrides: Settings like `train.steps=200`; values are read as YAML. `budget=gpu` first
        applies the settings that the recipe's section `budgets` has under that name.

    Returns:
      The checked, frozen recipe.

    Raises:
      UserError: No such recipe, a key that does not exist, or a value of the wrong kind; the
        message names the nearest valid thing. Or model and data do not fit together.
    """
    resolved = read(recipe, overrides)
    data_settings(resolved)
    return resolved


def read(recipe: str, overrides: Iterable[str] = ()) -> Recipe:
    """Resolve a recipe as `load` does, without a look at its data set: that takes most of the time.

    Raises:
      UserError: As `load`, but for what the data set would say.
    """
    tree = _tree(_find(recipe))
    budgets, overrides = tree.pop("budgets", {}), list(overrides)
    chosen = [text for text in overrides if text.startswith("budget=")]
    for override in (*_budget(budgets, chosen), *overrides):
        if override not in chosen:
            _set(tree, override)
    kind = RECIPES[task_of(_family(tree))]
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise UserError("; ".join(_explain(kind, detail) for detail in error.errors())) from None


def dump(recipe: Recipe) -> str:
    """Write a recipe as YAML that `load` reads back to an equal one."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, width=100)


def dump_sections(recipe: Recipe, sections: Iterable[str]) -> str:
    """Write only these top-level sections of a recipe as YAML."""
    tree = recipe.model_dump(mode="json", include=set(sections))
    return yaml.safe_dump(tree, sort_keys=False, width=100)


def trainer_config(recipe: Recipe, **rest: str) -> TrainerConfig:
    """Tell the trainer what it needs and no more: another threshold must not train anew.

    Args:
      recipe: Whose data, model and train sections.
      **rest: `checkpoint_root` and `code`.
    """
    kind = CaptionConfig if isinstance(recipe, CaptionRecipe) else GanConfig
    if recipe.train.validate_every and isinstance(recipe.evaluate, Evaluation):
        rest |= {"scorer": SCORER, "extractor": recipe.evaluate.extractor}
    text = dump_sections(recipe, ("name", "description", "data", "model", "train"))
    return kind.model_validate(
        {
            "data": data_settings(recipe),
            "model": recipe.model,
            "train": recipe.train,
            "recipe": text,
            **rest,
        }
    )


def data_settings(recipe: Recipe) -> DataSettings | CaptionData:
    """Tell the trainer what its data look like, from the data set's own description.

    Raises:
      UserError: The data set is unknown, has no captions to learn, or images of many sizes.
    """
    spec = datasets.resolve(recipe.data.dataset, recipe.data.source)
    if isinstance(recipe, CaptionRecipe):
        if not spec.captions_feature:
            raise UserError(
                f"data set '{spec.name}' has no captions; family '{recipe.model.family}' needs them"
            )
        captions = recipe.captions
        return CaptionData(dataset=spec.name, length=captions.length, min_count=captions.min_count)
    single, wanted = spec.value_feature is not None, task_of(recipe.model.family) == "value"
    if single != wanted:
        holds, makes = ("single numbers" if numbers else "images" for numbers in (single, wanted))
        raise UserError(
            f"data set '{spec.name}' holds {holds} and family '{recipe.model.family}' makes "
            f"{makes}: choose another family or data set"
        )
    height, width, channels = spec.image_shape
    if height is None or width is None:
        raise UserError(
            f"data set '{spec.name}' has images of many sizes; family '{recipe.model.family}' "
            "needs one size"
        )
    return DataSettings(
        dataset=spec.name, image_shape=(height, width, channels), label_names=spec.label_names
    )


def label_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the classes that the model can be asked for; none for an unconditional family."""
    if not FAMILIES[recipe.model.family].conditional:
        return ()
    return tuple(datasets.resolve(recipe.data.dataset, recipe.data.source).label_names)


def header(name: str) -> str:
    """Return the comment block on top of a packaged recipe, without the comment signs."""
    lines = (CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def settings(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every dotted key of a section with its value, depth first."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def compact(value: Any) -> str:
    """Write a setting's value in one line."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(compact, value))}]"
    if isinstance(value, BaseModel):
        given = {key: v for key, v in settings(value) if v is not None}
        return "{" + ", ".join(f"{key}: {compact(v)}" for key, v in given.items()) + "}"
    return "all" if value is None else str(value)


def _find(recipe: str) -> Path:
    if recipe.endswith((".yaml", ".yml")):
        if not Path(recipe).is_file():
            raise UserError(f"no recipe file '{recipe}': give an existing .yaml file or a name")
        return Path(recipe)
    if recipe not in names():
        raise unknown_name("recipe", recipe, names())
    return CONFIGS / f"{recipe}.yaml"


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UserError(f"'{path}' should hold a mapping of recipe sections")
    return {"name": path.stem, **tree}


def _budget(budgets: Any, chosen: list[str]) -> Iterator[str]:
    """Yield the settings of the budget that was chosen last; `cpu` is the recipe as it is written.

    Raises:
      UserError: The recipe has no such budget.
    """
    name = chosen[-1].partition("=")[2] if chosen else CPU
    if name == CPU:
        return
    if not isinstance(budgets, dict) or name not in budgets:
        raise unknown_name("budget", name, [CPU, *(budgets or ())])
    for key, value in budgets[name].items():
        yield f"{key}={json.dumps(value)}"


def _set(tree: dict[str, Any], override: str) -> None:
    """Apply `a.b=c` to the tree; whether the key exists is the model's business."""
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise UserError(f"'{override}' is no setting: write it as key=value, e.g. train.steps=200")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"the value of '{key}' cannot be read: '{text}'") from None
    *path, last = key.split(".")
    node: Any = tree
    for part in path:
        node = node.setdefault(part, {}) if isinstance(node, dict) else _item(node, part, key)
    if isinstance(node, dict):
        node[last] = value
    else:
        _item(node, last, key)
        node[int(last)] = value


def _item(node: Any, part: str, key: str) -> Any:
    """Return the item that `part` of a dotted key names in a list."""
    if not isinstance(node, list):
        raise UserError(f"'{key}' goes too deep: there is one value above '{part}', no section")
    if not part.isdecimal() or int(part) >= len(node):
        raise UserError(f"'{key}': '{part}' is no position in a list of {len(node)}")
    return node[int(part)]


def _family(tree: dict[str, Any]) -> str:
    """Return the model family that a recipe names: it decides which settings there are."""
    section = tree.get("model")
    name = section.get("family") if isinstance(section, dict) else None
    if not isinstance(name, str):
        raise UserError(
            "recipe key 'model.family' is missing: give it in the recipe or with "
            "--set model.family=..."
        )
    return name


def _explain(kind: type[Recipe], detail: ErrorDetails) -> str:
    """Turn one of pydantic's findings into a line a person can act on."""
    path = [str(part) for part in detail["loc"]]
    key, given = ".".join(path), detail["input"]
    if detail["type"] == "extra_forbidden":
        known = _siblings(kind, path)
        return str(unknown_name("recipe key", key, known))
    if detail["type"] == "missing":
        return f"recipe key '{key}' is missing: give it in the recipe or with --set {key}=..."
    return f"recipe key '{key}' is {given!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _siblings(kind: type[Recipe], path: list[str]) -> list[str]:
    """List the keys that are valid beside the last part of `path`, as full dotted keys."""
    section: Any = kind
    for part in path[:-1]:
        if hasattr(section, "model_fields"):
            section = section.model_fields[part].annotation
        # A position in a list or a key of a mapping: its items' type. `| None` is looked through.
        else:
            section = get_args(section)[-1 if get_origin(section) is dict else 0]
        if get_origin(section) is UnionType and NoneType in get_args(section):
            section = get_args(section)[0]
        if not hasattr(section, "model_fields") and not get_args(section):
            return []
    prefix = ".".join([*path[:-1], ""]) if len(path) > 1 else ""
    return [prefix + name for name in section.model_fields]
