"""Which server and which version a command asks: a running one, or one started for the moment."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from pipeline.paths import Paths, shown
from pipeline.recipe import Recipe
from pipeline.served import check_pushed, server
from serving.client import Client
from serving.deployment import CONFIG, STABLE, Destination
from serving.errors import NotFoundError, RejectedError
from serving.options import Address
from trainer.errors import UserError


def choose(to: Destination, wanted: str | None) -> int:
    """Return the version that a number or a label means; None: stable, else the newest.

    Raises:
      UserError, ServingError: There is none, or its folder is gone.
    """
    known, labels = to.versions(), to.labels()
    if wanted is None and STABLE not in labels:
        return next(iter(known))
    if wanted is not None and wanted.isdecimal():
        to.check(int(wanted))
        return int(wanted)
    label = wanted or STABLE
    if label not in labels:
        given = ", ".join(sorted(labels)) or "none"
        raise UserError(f"--version {label}: no such label of '{to.model}'; there are: {given}")
    if labels[label] not in known:
        raise UserError(
            f"'{label}' of '{to.model}' is version {labels[label]}, and its folder is gone from "
            f"'{shown(to.base)}': choose with --version ({', '.join(map(str, known))}), or give "
            "the label to one of these with genvision versions promote"
        )
    return labels[label]


def reach(
    stack: contextlib.ExitStack,
    recipe: Recipe,
    output_dir: str | None,
    target: Address | None,
    version: str | None,
) -> tuple[Client, int | str | None]:
    """Connect to the server to ask; the embedded one, with that version, if none is named.

    Args:
      stack: Closes the connection and stops the server.
      recipe: Whose pushed model to ask.
      output_dir: Output folder of the recipe's runs; None for the default.
      target: A running server.
      version: A number or a label; None means the newest that is served, of the embedded server
        stable if there is one.

    Returns:
      The client, and the version to ask for.

    Raises:
      UserError, ServingError: Nothing was pushed yet, or no such version or label.
    """
    model = recipe.push.model_name
    if target is not None:
        chosen = int(version) if version and version.isdecimal() else version
        if isinstance(chosen, int) and chosen >= 2**63:
            raise UserError(f"--version {version}: give a label, or a number up to {2**63 - 1}")
        return stack.enter_context(Client(target, model)), chosen
    base = Paths.of(recipe.name, output_dir).serving(model)
    check_pushed(model, base)
    number = choose(Destination.of(model, base), version)
    # A config of its own: the one beside the versions need not list this one, nor list only those
    # that are still there.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    alone = Destination.of(model, base, folder / CONFIG)
    alone.write({}, [number])
    where = stack.enter_context(server(model, base, config_file=alone.file))
    return stack.enter_context(Client(where, model)), number


def signature(client: Client, version: int | str | None, name: str) -> Any:
    """Return the SignatureDef of that name of a version.

    Raises:
      UserError: No such version, label or signature; the message says what there is.
    """
    try:
        found = client.metadata(version)
    except (NotFoundError, RejectedError) as error:
        raise UserError(f"{error}; {_there(client)}") from None
    if name not in found:
        known = ", ".join(sorted(found))
        raise UserError(f"'{client.model}' has no signature '{name}': its own are {known}")
    return found[name]


def _there(client: Client) -> str:
    asked = f"genvision models --target {client.target} --model {client.model}"
    try:
        ready = [str(row.version) for row in client.status() if row.state == "AVAILABLE"]
    except NotFoundError:
        ready = []
    if not ready:
        return f"no version of it is served there: {asked}"
    return f"served there: version {', '.join(ready)}; {asked} tells their labels"
