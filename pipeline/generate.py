"""Images on request: ask a running server, or one started for the moment; write sheet or files."""

from __future__ import annotations

import contextlib
import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline import ask, config
from pipeline.paths import check_output, shown
from pipeline.recipe import CaptionRecipe, Recipe, ValueRecipe
from serving.files import write_whole
from serving.options import Address
from serving.sheet import write_sheet
from trainer.errors import UserError
from trainer.progress import Progress

REQUEST_ROWS, REQUEST_BYTES = 256, 8 * 2**20
"""Most images in one request, and most bytes of them in one answer: any number is drawn so."""


def generate_sheet(
    *,
    labels: tuple[int, ...],
    count: int,
    seed: int,
    out: str | None,
    recipe: str,
    output_dir: str | None,
    target: Address | None,
    version: str | None = None,
) -> str:
    """Draw `count` images per label with seeds `seed`, `seed + 1`, ... into one PNG or many.

    Args:
      labels: Classes to draw, a block of rows each; empty draws all classes the model has.
      count: Images per class.
      seed: First seed; the same seed and label give the same image on the same model.
      out: The PNG to write, `sheet.png` for None; a folder, or a name that ends with "/", gets one
        PNG per image, named by label and seed. Of numbers it is a CSV, `numbers.csv` for None.
      recipe: Whose pushed model to ask.
      output_dir: Output folder of the recipe's runs; None for the default.
      target: A running server; None starts the embedded one and stops it again.
      version: A number or a label ("stable"); None means the newest that is served.

    Returns:
      A sentence that says what was written.

    Raises:
      UserError, ServingError: What was asked for cannot be, or no model was pushed yet.
    """
    resolved = _generator(recipe)
    _check_seeds(seed, count)
    names = config.label_names(resolved)
    labels = check_labels(recipe, labels, names)
    numbers = isinstance(resolved, ValueRecipe)
    out = out or ("numbers.csv" if numbers else "sheet.png")
    folder = not numbers and (out.endswith("/") or Path(out).is_dir())
    _check_out(out, folder)
    model = resolved.push.model_name
    with contextlib.ExitStack() as stack:
        client, chosen = ask.reach(stack, resolved, output_dir, target, version)
        signature = ask.signature(client, chosen, "generate")
        wanted = (labels or range(len(names))) if "label" in signature.inputs else ()
        seeds = list(range(seed, seed + count)) * max(1, len(wanted))
        drawn = [x for x in wanted for _ in range(count)]
        if numbers:
            values, made_by = _draw(client.generate_values, seeds, drawn, chosen, REQUEST_ROWS)
            _write_csv(Path(out), values, seeds, [names[x] for x in drawn])
            return f"{len(seeds)} numbers by '{model}' version {made_by}: {shown(out)}"
        size = math.prod(d.size for d in signature.outputs["image"].tensor_shape.dim[1:])
        images, made_by = _draw(client.generate, seeds, drawn, chosen, rows_for(size))
    if folder:
        _write_files(Path(out), images, seeds, drawn)
    else:
        # One class fills a square; several get a row each.
        columns = count if len(wanted) > 1 else None
        texts = [names[x] for x in wanted] if columns else None
        write_sheet(Path(out), images, columns, texts)
    return f"{len(seeds)} images by '{model}' version {made_by}: {shown(out)}"


def rows_for(image_bytes: int) -> int:
    """Return how many images of this size to ask for at a time."""
    return max(1, min(REQUEST_ROWS, REQUEST_BYTES // image_bytes))


def _draw(
    request: Callable[..., tuple[np.ndarray, int]],
    seeds: list[int],
    labels: list[int],
    version: int | str | None,
    rows: int,
) -> tuple[np.ndarray, int]:
    """Ask for any number of items, `rows` at a time; returns them, and the one version of all."""
    parts: list[np.ndarray] = []
    several = len(seeds) > rows
    with Progress("drawing", len(seeds), "item") if several else contextlib.nullcontext() as line:
        for first in range(0, len(seeds), rows):
            part = slice(first, first + rows)
            # One version from the second request on: a newer one must not mix with it.
            made, made_by = request(seeds[part], labels[part] or None, version)
            version = made_by
            parts.append(made)
            if line:
                line.update(len(made))
    return np.concatenate(parts), made_by


def check_labels(recipe: str, labels: Iterable[int], names: Sequence[str]) -> tuple[int, ...]:
    """Return the classes, each once; UserError for one that the recipe's data set does not have."""
    labels = tuple(dict.fromkeys(labels))
    unknown = [label for label in labels if not 0 <= label < len(names)]
    if unknown:
        raise UserError(
            f"--label {unknown[0]}: '{recipe}' knows the labels 0 to {len(names) - 1} "
            f"({', '.join(names)})"
        )
    return labels


def _generator(recipe: str) -> Recipe:
    """Resolve a recipe; UserError for one that makes no images and no numbers."""
    resolved = config.load(recipe)
    if isinstance(resolved, CaptionRecipe):
        raise UserError(
            f"recipe '{recipe}' makes captions: genvision caption PHOTO --recipe {recipe}; or name "
            "one that makes images with --recipe, for example digits_cgan"
        )
    return resolved


def _check_seeds(seed: int, count: int) -> None:
    """Raise UserError when a seed is none of 64 bits."""
    if not -(2**63) <= seed <= 2**63 - count:
        raise UserError(
            f"--seed {seed} with --count {count}: seeds are integers of 64 bits, so the first is "
            f"{-(2**63)} to {2**63 - count}"
        )


def _check_out(out: str, folder: bool) -> None:
    """Raise UserError when there is no place for the output."""
    path = Path(out)
    if folder and path.exists() and not path.is_dir():
        raise UserError(f"--out {out}: '{path}' is a file; name a folder, or a PNG without the '/'")
    check_output(path / "x.png" if path.is_dir() else path)


def _write_csv(file: Path, values: np.ndarray, seeds: list[int], labels: list[str]) -> None:
    """Write one line per number, float32[N]: label (if there is one), seed, value."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([*(["label"] if labels else []), "seed", "value"])
    for index, (value, seed) in enumerate(zip(values.tolist(), seeds, strict=True)):
        writer.writerow([*labels[index : index + 1], seed, value])
    write_whole(file, stream.getvalue())


def _write_files(folder: Path, images: np.ndarray, seeds: list[int], labels: list[int]) -> None:
    """Write one PNG per image, uint8[N,H,W,C], named by label (if there is one) and seed."""
    folder.mkdir(exist_ok=True)
    for index, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        name = f"label-{labels[index]}-seed-{seed}.png" if labels else f"seed-{seed}.png"
        pixels, data = image[:, :, 0] if image.shape[-1] == 1 else image, io.BytesIO()
        Image.fromarray(pixels).save(data, format="PNG")
        write_whole(folder / name, data.getvalue())
