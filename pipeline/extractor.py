"""The `genvision extractor` commands: the feature extractors there are, and training one."""

from __future__ import annotations

import dataclasses

import click

from pipeline.answers import json_option, tell
from pipeline.paths import RUNS, check_output, shown


@click.group()
def extractor() -> None:
    """List the feature extractors of the evaluation, and train one again."""


@extractor.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List the packaged extractors with their cards: data, accuracy, features, fingerprint."""
    from components.metrics import extractors

    cards, lines = [], []
    for name in extractors.names():
        card = extractors.read_card(name)
        size = (extractors.WEIGHTS / f"{name}.npz").stat().st_size // 1000
        shape = "x".join(map(str, card.image_shape or ()))
        cards.append({"file": name, **dataclasses.asdict(card)})
        lines.append(f"{name:14} {card.name}, {card.feature_dim} features, {size} kB")
        lines.append(
            f"{'':14} {card.test_accuracy:.2%} of {card.test_images:,} held-out images of "
            f"{card.dataset} {card.version} ({shape}); trained on {card.train_images:,}"
        )
        lines.append(f"{'':14} fingerprint {card.fingerprint[:16]}, made by: {card.remake}")
    own = f"{extractors.INCEPTION}:PATH"
    lines.append(f"{own:14} the network of published FID figures, 2048 features")
    lines.append(f"{'':14} its weights are not packaged: PATH is pytorch-fid's pt_inception-*.pth")
    tell(cards, lines, as_json)


@extractor.command()
@click.argument("name")
@click.option("--data-dir", metavar="DIR", help="Prepared TFDS data. Default: runs/data.")
@click.option("--out", metavar="NPZ", help="Weights file (.npz). Default: the packaged one.")
def train(name: str, data_dir: str | None, out: str | None) -> None:
    """Train the classifier of data set NAME and measure it on held-out images.

    Its card goes beside the weights. With --out a recipe names the result by its path, for example
    `evaluate.extractor: ./mine.npz`; figures of different extractors are never compared.
    """
    from pathlib import Path

    from components.metrics import extractors, train_extractor

    train_extractor.check_name(name)
    path = Path(out or extractors.WEIGHTS / f"{name}.npz").with_suffix(".npz")
    check_output(path)
    card = train_extractor.make(name, data_dir or str(RUNS / "data"), path)
    click.echo(
        f"{card.name}: test accuracy {card.test_accuracy:.2%} on {card.test_images} held-out "
        f"images, {card.feature_dim} features, {shown(path)} ({path.stat().st_size // 1000} kB)"
    )
