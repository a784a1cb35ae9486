"""One scheduled retraining on this machine: train when something changed, else say so."""

from __future__ import annotations

from pipeline.paths import Paths
from pipeline.recipe import Recipe

GATE = (
    "a node runs only when its data, code or settings changed since it last ran: with no new data "
    "nothing is trained, and the run says so"
)
NO_GATE = "cache: false in this recipe: every start trains anew, changed data or not"


def gate(recipe: Recipe) -> str:
    """Say what keeps a schedule of this recipe from training for nothing."""
    return GATE if recipe.cache else NO_GATE


def retrain(recipe: Recipe, paths: Paths) -> str:
    """Run a recipe and say in one line whether it was trained.

    Data are looked at first: TFX answers a node from its cache when nothing it depends on changed,
    and the training depends on the data's fingerprint, the checks' verdict on drift, code and
    settings.

    Raises:
      UserError: Something given is wrong; new data drifted beyond what the recipe allows.
      RunFailed: The gate refused the new model; what was serving stays.
    """
    from pipeline import run
    from pipeline.lineage import CACHED, Lineage

    run.run(recipe, paths, None, None)
    lineage = Lineage.of(paths.metadata, recipe.name)
    newest = lineage.executions("Trainer")[0]
    if newest.last_known_state != CACHED:
        return "retrained: new data, code or settings"
    return f"training skipped: no new data and no drift; {lineage.why(newest, 'Trainer', True)}"
