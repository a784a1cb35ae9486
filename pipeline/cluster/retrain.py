"""One scheduled retraining on this machine: train when something changed, else say so."""

from __future__ import annotations

from pipeline import config
from pipeline.paths import Paths
from pipeline.recipe import Recipe

GATE = (
    "a node runs only when its data, code or settings changed since it last ran: with no new data "
    "nothing is trained, and the run says so"
)
NO_GATE = "cache: false in this recipe: every start trains anew, changed data or not"
WARM = (
    "train.warm_start: every push changes the model that the next training begins with, so on a "
    "cluster every start trains; on this machine (--local) the data are looked at first"
)
SKIPPED = "training skipped: no new data and no drift"
DATA_END = "DataCheck"
"""Last of the nodes that look at the data alone."""


def gate(recipe: Recipe, local: bool) -> str:
    """Say what keeps a schedule of this recipe from training for nothing."""
    if not recipe.cache:
        return NO_GATE
    if not local and recipe.warm_start:
        return WARM
    return GATE


def retrain(recipe: Recipe, paths: Paths) -> str:
    """Run a recipe and say in one line whether it was trained.

    TFX answers a node from its cache when nothing it depends on changed; the training depends on
    the data as checked, code and settings. A warm start makes it depend on the deployed model too,
    which every push changes: then the data are looked at first, and only what is new goes on.

    Raises:
      UserError: Something given is wrong; new data drifted beyond what the recipe allows.
      RunFailed: The gate refused the new model; what was serving stays.
    """
    from pipeline import run
    from pipeline.lineage import CACHED, Lineage

    if recipe.cache and recipe.warm_start and _trained(recipe, paths):
        run.run(recipe, paths, None, DATA_END)
        checked = Lineage.of(paths.metadata, recipe.name).executions(DATA_END)[0]
        if checked.last_known_state == CACHED:
            return f"{SKIPPED} since the deployed model was trained"
    run.run(recipe, paths, None, None)
    lineage = Lineage.of(paths.metadata, recipe.name)
    newest = lineage.executions("Trainer")[0]
    if newest.last_known_state != CACHED:
        return "retrained: new data, code or settings"
    return f"{SKIPPED}; {lineage.why(newest, 'Trainer', True)}"


def _trained(recipe: Recipe, paths: Paths) -> bool:
    """Tell whether a run of this very recipe ended after the data last changed."""
    from pipeline.lineage import CACHED, DONE, Lineage

    kept = paths.output / "recipe.yaml"
    if not paths.metadata.exists() or not kept.is_file():
        return False
    if kept.read_text(encoding="utf-8") != config.dump(recipe):
        return False
    lineage = Lineage.of(paths.metadata, recipe.name)
    ended = [e.id for e in lineage.executions("Pusher") if e.last_known_state in DONE]
    checked = [
        e.id
        for e in lineage.executions(DATA_END)
        if e.last_known_state in DONE and e.last_known_state != CACHED
    ]
    return bool(ended and checked) and max(ended) > max(checked)
