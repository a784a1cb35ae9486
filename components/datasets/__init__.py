"""The table of data sets: one file here and one line in the table make a new one."""

from __future__ import annotations

import importlib

from components.datasets.base import DatasetSpec
from trainer.errors import unknown_name

DATASETS: dict[str, str] = {
    "cifar10": "components.datasets.cifar10:SPEC",
    "coco_captions": "components.datasets.coco_captions:SPEC",
    "digits": "components.datasets.digits:SPEC",
    "fashion_mnist": "components.datasets.fashion_mnist:SPEC",
    "mnist": "components.datasets.mnist:SPEC",
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
