"""One real request to the version that a run has just pushed, by gRPC, and what came of it."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

from pipeline import config
from pipeline.console import Console
from pipeline.lineage import Lineage
from pipeline.paths import Paths, shown
from pipeline.recipe import CaptionRecipe, Recipe, ValueRecipe
from pipeline.served import newest, server
from serving.client import Client
from serving.sheet import write_sheet

ANSWER, PHOTO = "answer.png", "photo"
"""What the pushed version made, and (with the ending of its kind) what it was shown."""

ASKED = "answer.json"
"""Which version was asked, when, and the line that was told."""


def tell(recipe: Recipe, paths: Paths, console: Console) -> None:
    """Tell what the newest version answers; one that was asked before is not asked again."""
    version = newest(paths.serving(recipe.push.model_name))
    if version is None:
        again = f"genvision run {recipe.name} --from Pusher --no-cache"
        console.line(f"answer   none: every version was removed since; {again} pushes it anew")
        return
    told = _known(paths, version) or _ask(recipe, paths, console)
    console.line(f"answer   {shown(paths.output / ANSWER)}")
    console.line(f"         {told}")


def _known(paths: Paths, version: int) -> str | None:
    """Return what was told of this very version, if it was asked and its answer is still there."""
    try:
        asked = json.loads((paths.output / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if asked["version"] != version or not (paths.output / ANSWER).is_file():
        return None
    return f"{asked['line']}, asked at {asked['time']}"


def _ask(recipe: Recipe, paths: Paths, console: Console) -> str:
    """Send a request to the embedded server on the pushed version and write the answer down."""
    console.pending("asking the pushed version")
    model = recipe.push.model_name
    about = {CaptionRecipe: _caption, ValueRecipe: _values}.get(type(recipe), _images)
    with (
        server(model, paths.serving(model), paths.logs / "server.log") as target,
        Client(target, model) as client,
    ):
        version, line = about(client, recipe, paths)
    asked = {
        "version": version,
        "time": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "line": line,
    }
    (paths.output / ASKED).write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    return line


def photo(paths: Paths) -> Path | None:
    """Return the photograph that a captioner was last shown."""
    return next(iter(sorted(paths.output.glob(f"{PHOTO}.*"))), None)


def _images(client: Client, recipe: Recipe, paths: Paths) -> tuple[int, str]:
    names = config.label_names(recipe)
    seeds = list(range(len(names) or 10))
    began = time.monotonic()
    answer = client.generate(seeds, seeds if names else None)
    elapsed = (time.monotonic() - began) * 1000
    write_sheet(paths.output / ANSWER, answer.images, columns=len(seeds))
    line = f"{len(seeds)} images by version {answer.version} over gRPC in {elapsed:.0f} ms"
    return answer.version, line


def _values(client: Client, recipe: Recipe, paths: Paths) -> tuple[int, str]:
    from components.contact_sheet import Item, number, sheet

    names = config.label_names(recipe)
    seeds = list(range(len(names) or 10))
    began = time.monotonic()
    answer = client.generate_values(seeds, seeds if names else None)
    elapsed = (time.monotonic() - began) * 1000
    labels = names or [f"seed {seed}" for seed in seeds]
    drawn = zip(labels, answer.values.tolist(), strict=True)
    sheet([Item({"label": label}, number(value)) for label, value in drawn]).save(
        paths.output / ANSWER
    )
    told = ", ".join(f"{value:.5g}" for value in answer.values.tolist())
    return answer.version, f"{told} by version {answer.version} over gRPC in {elapsed:.0f} ms"


def _caption(client: Client, recipe: Recipe, paths: Paths) -> tuple[int, str]:
    """Show a held-out photograph, which is kept beside the answer."""
    from pipeline.caption import draw_attention, look

    data = _held_out(recipe, paths)
    for old in paths.output.glob(f"{PHOTO}.*"):
        old.unlink()
    kind = "png" if data.startswith(b"\x89PNG") else "jpg"
    (paths.output / f"{PHOTO}.{kind}").write_bytes(data)
    began = time.monotonic()
    answer = client.caption([data])
    elapsed = (time.monotonic() - began) * 1000
    draw_attention(paths.output / ANSWER, [data], [look(client, data, answer.version)])
    said = f"'{answer.captions[0]}' by version {answer.version} over gRPC in {elapsed:.0f} ms"
    return answer.version, said


def _held_out(recipe: Recipe, paths: Paths) -> bytes:
    import tensorflow as tf

    from components.contact_sheet import read_split
    from trainer.features import IMAGE

    uri = Lineage.of(paths.metadata, recipe.name).latest("DataCheck", "checked").uri
    example = tf.train.Example.FromString(next(read_split(uri, 1, "eval")))
    data: bytes = example.features.feature[IMAGE].bytes_list.value[0]
    return data
