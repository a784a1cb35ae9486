"""Look at items at any stage of a recipe: a table on the terminal and a contact sheet."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from components import datasets
from pipeline import config
from pipeline.console import quiet
from pipeline.lineage import Lineage
from pipeline.paths import Paths, check_output, shown
from pipeline.recipe import Recipe


class View(NamedTuple):
    """What one stage shows."""

    header: list[str]
    rows: list[list[str]]
    sheet: Image.Image


def inspect_stage(
    recipe: str,
    stage: str,
    *,
    count: int,
    out: str | None,
    overrides: tuple[str, ...],
    data_dir: str | None,
    output_dir: str | None,
) -> str:
    """Show `count` items of a recipe at a stage and write their contact sheet.

    Args:
      recipe: Whose items.
      stage: `record` (as TFDS stores it), `example` (after ingestion), `batch` (as the trainer
        sees it) or `sample` (what the newest trained model makes).
      count: How many items.
      out: PNG to write; None for `<recipe>-<stage>.png`.
      overrides: Settings as in `run --set`.
      data_dir: Prepared TFDS data.
      output_dir: Output folder of the recipe's runs.

    Returns:
      The table, and a line that names the PNG.

    Raises:
      UserError: The stage needs a run that is not there, or the PNG cannot be written.
    """
    resolved = config.load(recipe, overrides)
    target = Path(out or f"{resolved.name}-{stage}.png")
    check_output(target)
    with quiet():
        view = STAGES[stage](resolved, Paths.of(resolved.name, output_dir, data_dir), count)
    view.sheet.save(target)
    return "\n".join([*_lines(view), f"sheet: {shown(target)}"])


def _record(recipe: Recipe, paths: Paths, count: int) -> View:
    from components import contact_sheet

    split = recipe.data.train.partition("[")[0]
    spec = datasets.resolve(recipe.data.dataset, recipe.data.source)
    items = contact_sheet.records(spec, paths.data, count, split)
    return View(*contact_sheet.table(items), contact_sheet.sheet(items))


def _example(recipe: Recipe, paths: Paths, count: int) -> View:
    uri = _examples_uri(recipe, paths)
    from components import contact_sheet

    items = contact_sheet.examples(uri, count)
    return View(*contact_sheet.table(items), contact_sheet.sheet(items))


def _batch(recipe: Recipe, paths: Paths, count: int) -> View:
    uri = _examples_uri(recipe, paths)
    reader = importlib.import_module(
        "trainer.input"
    )  # by name: nothing here imports the trainer's code
    split = reader.load([f"{uri}/Split-train/*"], config.data_settings(recipe))
    stream = reader.batches(split, min(count, len(split.labels)), recipe.train.seed)
    images, labels = next(stream.as_numpy_iterator())
    return _tensors(reader.to_uint8(images).numpy(), images, labels)


def _sample(recipe: Recipe, paths: Paths, count: int) -> View:
    uri = Lineage.of(paths.metadata, recipe.name).latest("Trainer", "model").uri
    import tensorflow as tf

    generate = tf.saved_model.load(f"{uri}/Format-Serving").signatures["generate"]
    seeds = tf.range(count, dtype=tf.int64)
    classes = len(datasets.get(recipe.data.dataset).label_names)
    labels = seeds % max(1, classes)
    wanted = {"seed": seeds, "label": labels}
    given = {name: wanted[name] for name in generate.structured_input_signature[1]}
    images = generate(**given)["image"].numpy()
    return _tensors(images, images, labels.numpy())


STAGES: dict[str, Callable[[Recipe, Paths, int], View]] = {
    "record": _record,
    "example": _example,
    "batch": _batch,
    "sample": _sample,
}


def _examples_uri(recipe: Recipe, paths: Paths) -> str:
    return Lineage.of(paths.metadata, recipe.name).latest("TfdsExampleGen", "examples").uri


def _tensors(shown_images: np.ndarray, images: np.ndarray, labels: np.ndarray) -> View:
    from serving.sheet import sheet

    header = ["#", "label", "dtype", "shape", "min", "max", "mean"]
    rows = [
        [
            str(number),
            str(label),
            str(image.dtype),
            "x".join(map(str, image.shape)),
            f"{image.min():.3g}",
            f"{image.max():.3g}",
            f"{image.mean():.3g}",
        ]
        for number, (image, label) in enumerate(zip(images, labels, strict=True))
    ]
    return View(header, rows, sheet(shown_images))


def _lines(view: View) -> list[str]:
    table = [view.header, *view.rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(view.header))]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in table]
