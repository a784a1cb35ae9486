"""The nodes of a run by name, in order: known without importing TFX, so that checks are instant."""

from __future__ import annotations

from trainer.errors import UserError, unknown_name

NODES = (
    "TfdsExampleGen",
    "StatisticsGen",
    "ReviewedSchema",
    "ExampleValidator",
    "DataCheck",
    "Trainer",
    "GenerativeEvaluator",
    "ServingCheck",
    "Pusher",
)
"""A test holds this list against what `build.create_pipeline` wires."""

IN_MEMORY_BEAM = (
    "--runner=FnApiRunner",
    "--sdk_container_image=none",
)
"""Beam's options when a recipe gives none.

The runner is named since Beam's own default became a separate binary in 2.68. The image is not
used by it; without one TFX packs its whole source tree anew for every Beam node.
"""


def check_range(first: str | None, last: str | None) -> None:
    """Check the two ends of a partial run.

    Raises:
      UserError: A node does not exist, or the ends are the wrong way round.
    """
    for name in (first, last):
        if name is not None and name not in NODES:
            raise unknown_name("node", name, NODES)
    if first and last and NODES.index(first) > NODES.index(last):
        raise UserError(f"--from {first} comes after --to {last}: swap them")


def selected(first: str | None, last: str | None) -> tuple[str, ...]:
    """Return the nodes that a run from `first` to `last` includes."""
    begin = NODES.index(first) if first else 0
    end = NODES.index(last) if last else len(NODES) - 1
    return NODES[begin : end + 1]
