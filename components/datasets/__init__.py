"""The table of data sets: one file here and one line in the table make a new one."""

from __future__ import annotations

import importlib

from components.datasets.base import DatasetSpec, Source
from trainer.errors import unknown_name

DATASETS: dict[str, str] = {
    "cifar10": "components.datasets.cifar10:SPEC",
    "coco_captions": "components.datasets.coco_captions:SPEC",
    "coco_folder": "components.datasets.coco_folder:SPEC",
    "digits": "components.datasets.digits:SPEC",
    "fashion_mnist": "components.datasets.fashion_mnist:SPEC",
    "gaussian": "components.datasets.gaussian:SPEC",
    "gaussian_pair": "components.datasets.gaussian:PAIR",
    "image_folder": "components.datasets.image_folder:SPEC",
    "mnist": "components.datasets.mnist:SPEC",
    "scenes": "components.datasets.scenes:SPEC",
}


def get(name: str) -> DatasetSpec:
    """Look a data set up by its name.

    Raises:
      UserError: No data set has this name.
    """
    if name not in DATASETS:
        raise unknown_name("dataset", name, DATASETS)
    module, _, attribute = DATASETS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def resolve(name: str, source: Source) -> DatasetSpec:
    """Look a data set up and make it what a recipe's data section says.

    Raises:
      UserError: No such data set, or `source` does not fit it.
    """
    return get(name).resolve(source)
