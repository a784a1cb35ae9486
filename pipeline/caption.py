"""`genvision caption`: sentences for photographs, from a running server or one for the moment."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline.answers import json_option, tell
from serving import flags

if TYPE_CHECKING:
    import numpy as np

    from serving.client import Client
    from serving.options import Address


class Said(NamedTuple):
    """What the model says of one photograph.

    Attributes:
      file: The photograph.
      caption: The sentence.
      log_prob: Its log probability in nats.
      version: The model's version.
    """

    file: str
    caption: str
    log_prob: float
    version: int


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option("--attention", metavar="PNG", help="Draw where the model looked for each word.")
@click.option("--recipe", default="scenes_captions", show_default=True)
@click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
@flags.asking(help_text="A running server. Default: start one briefly.")
@click.option("--version", metavar="N|LABEL", help="Default: the newest; without --target, stable.")
@json_option
def caption(
    photos: tuple[str, ...],
    attention: str | None,
    recipe: str,
    output_dir: str | None,
    target: Address | None,
    version: str | None,
    as_json: bool,
) -> None:
    """Say what is on each PHOTO (JPEG, PNG, or the first frame of a GIF).

    Photographs are scaled to fit and padded, never cut; orientation tags are not applied.
    """
    said = caption_photos(
        photos,
        attention=attention,
        recipe=recipe,
        output_dir=output_dir,
        target=target,
        version=version,
    )
    lines = [f"{one.file}: {one.caption}" for one in said]
    if attention:
        lines.append(f"attention: {attention}")
    tell([one._asdict() for one in said], lines, as_json)


def caption_photos(
    photos: Sequence[str],
    *,
    attention: str | None,
    recipe: str,
    output_dir: str | None,
    target: Address | None,
    version: str | None,
) -> list[Said]:
    """Caption photographs with a pushed model.

    Args:
      photos: Files.
      attention: PNG to draw the maps into; None draws none.
      recipe: Whose pushed model to ask.
      output_dir: Output folder of the recipe's runs; None for the default.
      target: A running server; None starts the embedded one and stops it again.
      version: A number or a label ("stable"); None means the newest that is served.

    Returns:
      One answer per photograph, in order.

    Raises:
      UserError, ServingError: A file that is no photograph, by its name; nothing was pushed, or no
        such version; or the recipe's models do not caption.
    """
    from pipeline import ask, config
    from pipeline.paths import check_output
    from pipeline.recipe import CaptionRecipe
    from trainer.errors import UserError

    resolved = config.load(recipe)
    if not isinstance(resolved, CaptionRecipe):
        raise UserError(
            f"recipe '{recipe}' makes images: name one that captions with --recipe, for example "
            "scenes_captions"
        )
    files = {name: _read(name) for name in photos}
    if attention:
        check_output(Path(attention), "--attention")
        if Path(attention).suffix.lower() != ".png":
            raise UserError(f"--attention {attention}: it is a PNG; name a file that ends in .png")
    with contextlib.ExitStack() as stack:
        client, chosen = ask.reach(stack, resolved, output_dir, target, version)
        ask.signature(client, chosen, "caption")
        said = [_ask(client, name, data, chosen) for name, data in files.items()]
        if attention:
            looks = [look(client, data, chosen) for data in files.values()]
            draw_attention(Path(attention), list(files.values()), looks)
    return [said[list(files).index(name)] for name in photos]


def _read(name: str) -> bytes:
    from trainer.errors import UserError

    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UserError(
            f"photo '{name}' cannot be read: {error.strerror}; give JPEG or PNG files"
        ) from None


def _ask(client: Client, name: str, data: bytes, version: int | str | None) -> Said:
    """Ask for one photograph: so that the answer about a bad one can name its file."""
    from serving.errors import RejectedError
    from serving.refusal import about_image
    from trainer.errors import UserError

    try:
        answer = client.caption([data], version)
    except RejectedError as error:
        found = about_image(str(error))
        if not found:
            raise
        what = "scale it down" if "pixels" in found else "give JPEG or PNG files"
        raise UserError(f"photo '{name}' {found}; {what}") from None
    return Said(name, answer.captions[0], float(answer.log_probs[0]), answer.version)


def look(client: Client, data: bytes, version: int | str | None) -> dict[str, Any]:
    """Ask where the model looks: `words`, string[1,T], and `attention`, float32[1,T,h,w]."""
    import numpy as np

    inputs = {"image_bytes": np.array([data], np.object_)}
    return dict(client.predict("attention", inputs, version).outputs)


def draw_attention(out: Path, files: Sequence[bytes], looks: Sequence[dict[str, Any]]) -> None:
    """Draw a row per photograph into a PNG: itself, then a tile per word.

    Args:
      out: The PNG.
      files: Encoded photographs.
      looks: What `look` returned for each.
    """
    import importlib
    import io

    import numpy as np
    from PIL import Image

    from serving.files import write_whole

    # By name: nothing here imports the trainer's code.
    sheet = importlib.import_module("trainer.caption_sheet")
    words = [[word.decode() for word in look["words"][0].tolist()] for look in looks]
    maps = np.concatenate([look["attention"] for look in looks])
    images = np.stack([_square(data, sheet.TILE) for data in files])
    drawn = io.BytesIO()
    Image.fromarray(sheet.attended(images, words, maps)).save(drawn, format="PNG")
    write_whole(out, drawn.getvalue())


def _square(data: bytes, side: int) -> np.ndarray:
    """Fit a photograph into a square as the model does: uint8[side,side,3]."""
    import io

    import numpy as np
    from PIL import Image, ImageOps

    opened: Image.Image = Image.open(io.BytesIO(data))
    if opened.mode.startswith("I;16"):
        opened = opened.point(lambda value: value / 256).convert("L")
    white = Image.new("RGBA", opened.size, "white")
    flat = Image.alpha_composite(white, opened.convert("RGBA")).convert("RGB")
    return np.asarray(ImageOps.pad(flat, (side, side), color="black"))
