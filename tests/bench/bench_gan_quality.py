"""Quality at equal training time: our recipes against the literature's, on real data.

    python tests/bench/bench_gan_quality.py --data-dir DIR [--seconds 300] [--only NAME ...]

Every training is a process of its own and ends when its time is up, graph building included; then
10,000 samples of fixed seeds are scored with the data set's extractor against its test split. With
`--clock cpu` the time is processor time of two cores, so that a busy machine does no harm. The
literature's networks and settings are run by our loop, which only favours them: it is faster than
theirs (`bench_gan_speed.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SAMPLES = 10_000
CORES = 2
_ADAM = {"beta_1": 0.5, "beta_2": 0.999, "loss": "non_saturating", "update": "simultaneous"}
_RATE = lambda rate: {"generator_learning_rate": rate, "discriminator_learning_rate": rate}  # noqa: E731
_UPSAMPLING = {
    "model": {
        "family": "dcgan_upsampling",
        "latent_size": 100,
        "generator_channels": [128, 128, 64],
        "discriminator_channels": [32, 64, 128, 256],
        "dropout": 0.25,
    },
    "train": {"batch_size": 32, **_RATE(2e-4), **_ADAM},
}
LITERATURE: dict[str, dict[str, Any]] = {
    "mnist": {"upsampling": _UPSAMPLING},
    "fashion_mnist": {
        "transposed": {
            "model": {
                "family": "dcgan_transposed",
                "latent_size": 100,
                "generator_channels": [256, 128, 64],
                "discriminator_channels": [64, 128],
                "dropout": 0.3,
            },
            "train": {"batch_size": 256, **_RATE(1e-4), **_ADAM, "beta_1": 0.9},
        },
        "label_number": {
            "model": {
                "family": "dcgan_transposed_cgan",
                "labels": "number",
                "latent_size": 100,
                "generator_channels": [128, 64, 32],
                "discriminator_channels": [64, 128],
                "dropout": 0.4,
            },
            "train": {"batch_size": 32, **_RATE(1e-5), **_ADAM, "beta_1": 0.9},
        },
    },
    "cifar10": {"upsampling": _UPSAMPLING},
}
"""Settings after the published recipes; without an average of the weights, as they have none."""

OURS = ("gan", "cgan")


def entries() -> list[str]:
    """Return what can be compared: data set, slash, whose recipe."""
    ours = [f"{data}/ours_{kind}" for data in LITERATURE for kind in OURS]
    return sorted([*ours, *(f"{data}/{name}" for data in LITERATURE for name in LITERATURE[data])])


def settings(entry: str, overrides: list[str]) -> Any:
    """Return the `GanConfig` of an entry."""
    from pipeline import config
    from trainer.gan_settings import GanConfig

    dataset, name = entry.split("/")
    own = name.startswith("ours_")
    kind = name.removeprefix("ours_") if own else OURS[0]
    recipe = config.load(f"{dataset}_{kind}", [*overrides, "train.validate_every=0"])
    whole = config.trainer_config(recipe, checkpoint_root="")
    if own:
        return whole
    other = LITERATURE[dataset][name]
    no_average = {"steps": whole.train.steps, "ema_half_life": 1}
    sections = {"model": other["model"], "train": {**no_average, **other["train"]}}
    return GanConfig.model_validate({**whole.model_dump(), **sections})


def load(dataset: str, split: str, data_dir: str) -> Any:
    """Return a split as `trainer.input.Images`."""
    import numpy as np
    import tensorflow_datasets as tfds

    from trainer.input import Images

    stored = tfds.load(dataset, split=split, data_dir=data_dir, download=False, batch_size=-1)
    return Images(stored["image"].numpy(), stored["label"].numpy().astype(np.int32))


def train(config: Any, split: Any, spent: Callable[[], float], seconds: float) -> Any:
    """Train until the time is up; return the task."""
    import tensorflow as tf

    from trainer import models
    from trainer.adversarial import AdversarialTask
    from trainer.pictures import Pictures

    family = models.family(config.model.family)
    family.check(config.model, config.data)
    start = spent()
    task = AdversarialTask(config, family, Pictures(config.data, split))
    batches = task.batches()
    while spent() - start < seconds:
        values = task.train(batches, tf.constant(config.train.steps_per_call)).numpy()
        print(int(task.step), dict(zip(task.metric_names, values, strict=True)), file=sys.stderr)
    return task


def score(task: Any, split: Any, held_out: Any, extractor: str, sheet: str) -> dict[str, float]:
    """Score `SAMPLES` images of the averaged generator; write the sheet if asked for."""
    import numpy as np
    import tensorflow as tf

    from components.metrics import extractors
    from components.metrics.evidence import Evidence, FeatureSet
    from components.metrics.score import score_all
    from trainer.logs import sheet as tile

    network = extractors.load(extractor)

    def look(images: np.ndarray, labels: np.ndarray) -> FeatureSet:
        parts = [network(images[at : at + 500]) for at in range(0, len(images), 500)]
        features, probabilities = (np.concatenate(part) for part in zip(*parts, strict=True))
        digests = np.array([hash(image.tobytes()) for image in images])
        ids = np.arange(len(images))
        return FeatureSet.of(ids, labels.astype(np.int64), features, probabilities, digests)

    asked = np.arange(SAMPLES) % task.config.data.classes
    made = [
        task.medium.items(
            task._samples(
                tf.range(at, at + 500, dtype=tf.int64), tf.constant(asked[at : at + 500], tf.int32)
            )
        )
        for at in range(0, SAMPLES, 500)
    ]
    images = np.concatenate(made)
    if sheet:
        Path(sheet).write_bytes(tf.io.encode_png(tile(images[:200], 20)).numpy())
    labels = asked if task.conditional else np.full(SAMPLES, -1)
    evidence = Evidence(look(images, labels), look(*held_out), look(*split))
    return {
        name: float(f"{s.value:.4g}") for name, s in score_all(evidence, network.card.name).items()
    }


def one(entry: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and score one entry in this process."""
    spent = time.process_time if options.clock == "cpu" else time.monotonic
    seconds = options.seconds * (CORES if options.clock == "cpu" else 1)
    dataset = entry.split("/")[0]
    config = settings(entry, options.set)
    split, held_out = (load(dataset, name, options.data_dir) for name in ("train", "test"))
    start, wall = spent(), time.monotonic()
    task = train(config, split, spent, seconds)
    used = {
        "seconds": round((spent() - start) / seconds * options.seconds),
        "wall": round(time.monotonic() - wall),
        "steps": int(task.step),
    }
    extractor = f"{options.extractors}/{dataset}.npz" if options.extractors else dataset
    return {"entry": entry, **used, **score(task, split, held_out, extractor, options.sheet)}


def main() -> None:
    """Run what was asked for, each in a process of its own; print one JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="prepared TFDS data")
    parser.add_argument("--seconds", type=float, default=300.0, help="training time of each")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument(
        "--only", nargs="*", choices=entries(), metavar="NAME", help=f"of: {', '.join(entries())}"
    )
    parser.add_argument("--set", action="append", default=[], help="as genvision run --set")
    parser.add_argument("--extractors", default="", help="folder of weights; default: packaged")
    parser.add_argument("--sheet", default="", help="PNG of samples to write, with --here")
    parser.add_argument("--here", action="store_true", help="run in this process")
    options = parser.parse_args()
    for entry in options.only or entries():
        if options.here:
            print(json.dumps(one(entry, options)), flush=True)
            continue
        command = [sys.executable, __file__, "--here", "--only", entry]
        for name in ("data_dir", "seconds", "clock", "extractors", "sheet"):
            command += [f"--{name.replace('_', '-')}={getattr(options, name)}"]
        command += [f"--set={setting}" for setting in options.set]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout.splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
