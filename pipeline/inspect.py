"""Look at items at any stage of a recipe: a table on the terminal and a contact sheet."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components import datasets
from pipeline import config
from pipeline.console import quiet
from pipeline.lineage import Lineage
from pipeline.paths import Paths, check_output, shown
from pipeline.recipe import CaptionRecipe, Recipe, ValueRecipe
from pipeline.startup import much_to_import
from trainer.errors import UserError

if TYPE_CHECKING:
    from components.contact_sheet import Item

STAGES = ("record", "example", "tokens", "batch", "sample")
"""The forms that an item has on its way, in order; `tokens` only where there are captions."""

View = Callable[[Recipe, Paths, int], list["Item"]]


def inspect_stage(
    recipe: str,
    stage: str,
    *,
    count: int,
    out: str | None,
    overrides: tuple[str, ...],
    data_dir: str | None,
    output_dir: str | None,
) -> tuple[dict[str, Any], list[str]]:
    """Show `count` items of a recipe at a stage and write their contact sheet.

    Args:
      recipe: Whose items.
      stage: `record` (as TFDS stores it), `example` (after ingestion), `tokens` (captions after
        Transform), `batch` (as the trainer sees it) or `sample` (what the newest trained model
        makes).
      count: How many items.
      out: PNG to write; None for `<recipe>-<stage>.png`.
      overrides: Settings as in `run --set`.
      data_dir: Prepared TFDS data.
      output_dir: Output folder of the recipe's runs.

    Returns:
      The items' facts and the PNG's path; the same as a table and a line.

    Raises:
      UserError: The stage needs a run that is not there, or the PNG cannot be written.
    """
    resolved = config.load(recipe, overrides)
    target = Path(out or f"{resolved.name}-{stage}.png")
    check_output(target)
    view = _views(resolved).get(stage)
    if view is None:
        raise UserError(
            f"recipe '{resolved.name}' has no captions, so no stage '{stage}': choose another of "
            f"{', '.join(STAGES)}"
        )
    paths = Paths.of(resolved.name, output_dir, data_dir)
    if stage != "record":
        Lineage.of(paths.metadata, resolved.name)  # there is a run, or that is said at once
    with quiet():
        with much_to_import():
            # Every stage needs TensorFlow, and little else that takes long.
            import tensorflow as tf  # noqa: F401

            from components import contact_sheet

        items = view(resolved, paths, count)
        contact_sheet.sheet(items).save(target)
    found = {"items": [item.facts for item in items], "sheet": str(target)}
    return found, [*_lines(items), f"sheet: {shown(target)}"]


def _views(recipe: Recipe) -> dict[str, View]:
    common: dict[str, View] = {"record": _record, "example": _example}
    if isinstance(recipe, CaptionRecipe):
        from pipeline import inspect_captions as captions

        own = {"tokens": captions.tokens, "batch": captions.batch, "sample": captions.sample}
        return {**common, **own}
    if isinstance(recipe, ValueRecipe):
        from pipeline import inspect_values as values

        return {**common, "batch": values.batch, "sample": values.sample}
    return {**common, "batch": _batch, "sample": _sample}


def _record(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    from components import contact_sheet

    split = recipe.data.train.partition("[")[0].partition("+")[0]
    spec = datasets.resolve(recipe.data.dataset, recipe.data.source)
    return contact_sheet.records(spec, paths.data, count, split)


def _example(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    uri = Lineage.of(paths.metadata, recipe.name).latest("TfdsExampleGen", "examples").uri
    from components import contact_sheet

    return contact_sheet.examples(uri, count)


def _batch(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    uri = Lineage.of(paths.metadata, recipe.name).latest("DataCheck", "checked").uri
    # By name: nothing here imports the trainer's code.
    reader = importlib.import_module("trainer.input")
    split = reader.load([f"{uri}/Split-train/*"], config.data_settings(recipe))
    stream = reader.batches(split, min(count, len(split.labels)), recipe.train.seed)
    images, labels = next(stream.as_numpy_iterator())
    return _tensors(reader.to_uint8(images).numpy(), images, labels)


def _sample(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    made, labels = samples(recipe, paths, count)
    return _tensors(made["image"], made["image"], labels)


def samples(recipe: Recipe, paths: Paths, count: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Ask the newest trained generator for seeds 0 to count - 1: its outputs, and the labels."""
    uri = Lineage.of(paths.metadata, recipe.name).latest("Trainer", "model").uri
    import tensorflow as tf

    generate = tf.saved_model.load(f"{uri}/Format-Serving").signatures["generate"]
    seeds = tf.range(count, dtype=tf.int64)
    labels = seeds % max(1, len(config.label_names(recipe)))
    wanted = {"seed": seeds, "label": labels}
    given = {name: wanted[name] for name in generate.structured_input_signature[1]}
    return {name: made.numpy() for name, made in generate(**given).items()}, labels.numpy()


def _tensors(drawn: np.ndarray, images: np.ndarray, labels: np.ndarray) -> list[Item]:
    from PIL import Image

    from components.contact_sheet import Item

    pictures = drawn[..., 0] if drawn.shape[-1] == 1 else drawn
    return [
        Item({"#": str(number), "label": str(label), **describe(image)}, Image.fromarray(picture))
        for number, (picture, image, label) in enumerate(zip(pictures, images, labels, strict=True))
    ]


def describe(image: np.ndarray) -> dict[str, str]:
    """Put a tensor into table cells: dtype, shape and range."""
    return {
        "dtype": str(image.dtype),
        "shape": "x".join(map(str, image.shape)),
        "min": f"{image.min():.3g}",
        "max": f"{image.max():.3g}",
        "mean": f"{image.mean():.3g}",
    }


def _lines(items: Sequence[Item]) -> list[str]:
    """Lay the items' facts out as a table, the item's id first."""
    names = dict.fromkeys(name for item in items for name in item.facts)
    header = sorted(names, key=lambda name: name != "id")
    table = [header, *([item.facts.get(name, "-") for name in header] for item in items)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in table]
