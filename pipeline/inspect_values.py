"""Numbers as the trainer sees them and as the newest trained model makes them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pipeline import config, inspect
from pipeline.lineage import Lineage
from pipeline.paths import Paths
from pipeline.recipe import Recipe

if TYPE_CHECKING:
    from components.contact_sheet import Item


def batch(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    """Show the first batch: numbers with mean 0 and standard deviation 1."""
    uri = Lineage.of(paths.metadata, recipe.name).latest("DataCheck", "checked").uri
    # By name: nothing here imports the trainer's code.
    reader = importlib.import_module("trainer.values").Values
    medium = reader.read([f"{uri}/Split-train/*"], config.data_settings(recipe))
    stream = medium.batches(min(count, medium.examples), recipe.train.seed, 0)
    values, labels = next(stream.as_numpy_iterator())
    return _items(values[:, 0], labels)


def sample(recipe: Recipe, paths: Paths, count: int) -> list[Item]:
    """Show what seeds 0 to count - 1 become, in the data's own scale."""
    made, labels = inspect.samples(recipe, paths, count)
    return _items(made["value"][:, 0], labels)


def _items(values: Iterable[float], labels: np.ndarray) -> list[Item]:
    from components.contact_sheet import Item, number

    return [
        Item({"#": str(row), "label": str(label), "value": f"{value:.6g}"}, number(value))
        for row, (value, label) in enumerate(zip(values, labels.tolist(), strict=True))
    ]
