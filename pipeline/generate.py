"""Images on request: ask a running server, or one started for the moment, and write a sheet."""

from __future__ import annotations

import contextlib
from pathlib import Path

from components import datasets
from pipeline import config
from pipeline.paths import Paths, check_output, shown
from pipeline.served import server
from serving.client import Client
from serving.sheet import write_sheet
from trainer.errors import UserError


def generate_sheet(
    *,
    labels: tuple[int, ...],
    count: int,
    seed: int,
    out: str,
    recipe: str,
    output_dir: str | None,
    target: str | None,
) -> str:
    """Draw `count` images per label with seeds `seed`, `seed + 1`, ... into a PNG.

    Args:
      labels: Classes to draw, a block of rows each; empty draws all classes the model has.
      count: Images per class.
      seed: First seed; the same seed and label give the same image on the same model.
      out: The PNG to write.
      recipe: Whose pushed model to ask.
      output_dir: Output folder of the recipe's runs; None for the default.
      target: A running server, host:port; None starts the embedded one and stops it again.

    Returns:
      A sentence that says what was written.

    Raises:
      UserError: A label the model does not know, or no model was pushed yet.
    """
    resolved = config.load(recipe)
    names = datasets.get(resolved.data.dataset).label_names
    unknown = [label for label in labels if not 0 <= label < len(names)]
    if unknown:
        raise UserError(
            f"--label {unknown[0]}: '{recipe}' knows the labels 0 to {len(names) - 1} "
            f"({', '.join(names)})"
        )
    check_output(Path(out))
    model = resolved.push.model_name
    with contextlib.ExitStack() as stack:
        if target is None:
            base_path = Paths.of(resolved.name, output_dir).serving(model)
            target = stack.enter_context(server(model, base_path))
        client = stack.enter_context(Client(target, model))
        wanted = (labels or range(len(names))) if "label" in _inputs(client) else ()
        seeds = list(range(seed, seed + count)) * max(1, len(wanted))
        answer = client.generate(seeds, [x for x in wanted for _ in range(count)] or None)
    # One class fills a square; several get a row each.
    columns = count if len(wanted) > 1 else None
    write_sheet(Path(out), answer.images, columns, [names[x] for x in wanted] if columns else None)
    return f"{len(seeds)} images by '{model}' version {answer.version}: {shown(out)}"


def _inputs(client: Client) -> set[str]:
    return set(client.metadata()["generate"].inputs)
