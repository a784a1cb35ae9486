"""The nodes of a run by name, in order: known without importing TFX, so that checks are instant."""

from __future__ import annotations

from pipeline.recipe import CaptionRecipe, ImageRecipe, Recipe
from trainer.errors import UserError, unknown_name

NODES = (
    "TfdsExampleGen",
    "ReviewedSchema",
    "StatisticsGen",
    "ExampleValidator",
    "DataCheck",
    "ReferenceStatistics",
    "Transform",
    "EncoderFeatures",
    "WarmStartResolver",
    "Trainer",
    "BaselineResolver",
    "GenerativeEvaluator",
    "ServingCheck",
    "Approval",
    "Pusher",
)
"""All there are; `of` says which a recipe has. A test holds that against what `build` wires."""

RESOLVERS = ("WarmStartResolver", "BaselineResolver")
"""Nodes that look something up each time: one that finds the same again counts as cached."""

IN_MEMORY_BEAM = (
    "--runner=FnApiRunner",
    "--sdk_container_image=none",
)
"""Beam's options when a recipe gives none.

The runner is named since Beam's own default became a separate binary in 2.68. The image is not
used by it; without one TFX packs its whole source tree anew for every Beam node.
"""

IN_THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=0")
"""Beside it for what asks models: a thread per core, all with the one model that is loaded.

TensorFlow lets go of Python's lock, and small networks do not fill the cores by themselves.
"""


def of(recipe: Recipe) -> tuple[str, ...]:
    """Return the nodes of a recipe's runs, in order: not all recipes need every node."""
    needed = {
        "ReferenceStatistics": isinstance(recipe, ImageRecipe),
        "Transform": isinstance(recipe, CaptionRecipe),
        "EncoderFeatures": isinstance(recipe, CaptionRecipe) and recipe.model.cache_features,
        "WarmStartResolver": recipe.warm_start,
        "Approval": recipe.approve.required,
    }
    return tuple(name for name in NODES if needed.get(name, True))


def check_range(recipe: Recipe, first: str | None, last: str | None) -> None:
    """Check the two ends of a partial run.

    Raises:
      UserError: A node does not exist in this recipe, or the ends are the wrong way round.
    """
    nodes = of(recipe)
    for name in (first, last):
        if name is not None and name not in nodes:
            raise unknown_name("node", name, nodes)
    if first and last and nodes.index(first) > nodes.index(last):
        raise UserError(f"--from {first} comes after --to {last}: swap them")


def selected(recipe: Recipe, first: str | None, last: str | None) -> tuple[str, ...]:
    """Return the nodes that a run from `first` to `last` includes."""
    nodes = of(recipe)
    begin = nodes.index(first) if first else 0
    end = nodes.index(last) if last else len(nodes) - 1
    return nodes[begin : end + 1]
