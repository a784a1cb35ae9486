"""What TFX's Trainer calls: settings and paths in, SavedModel and run folder out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import checkpoint, export, input, loop, models, progress
from trainer.errors import UserError
from trainer.features import MANIFEST
from trainer.logs import RunFolder, sheet
from trainer.settings import TrainerConfig


def run_fn(fn_args: Any) -> None:
    """Train as `fn_args.custom_config["trainer"]` says and export what came of it.

    Args:
      fn_args: TFX's `FnArgs`; used are `train_files`, `serving_model_dir`, `model_run_dir` and
        `custom_config["trainer"]`, a `TrainerConfig` as JSON.

    Raises:
      UserError: The settings do not fit the data.
      RunFailed: Training diverged.
      Interrupted: A signal stopped it; the state is saved and the next call goes on from there.
    """
    config = TrainerConfig.model_validate_json(fn_args.custom_config["trainer"])
    data = input.load(fn_args.train_files, config.data)
    task = models.family(config.model.family).task(config)

    # Where earlier work of this very recipe on these very data lies, if there is any.
    folder = Path(config.checkpoint_root) / checkpoint.key(
        config, _fingerprint(fn_args.train_files)
    )
    checkpoints = checkpoint.Checkpoints(folder, task.trackables())
    resumed = checkpoints.restore()
    step = int(task.step)
    if resumed:
        progress.say(f"training continues from step {step} of {config.train.steps}")

    # Train.
    options = config.model_dump_json(indent=2, exclude={"recipe"})
    logs = RunFolder(folder / "run", options, config.recipe, step)
    try:
        logs.image("reals", step, _reals(data, config))
        batches = input.batches(data, task.images_per_step, config.train.seed, step)
        loop.run(task, iter(batches), config.train, logs, checkpoints)
    finally:
        logs.close()

    # Hand over. The checkpoints go last: until then the export can be repeated from them.
    card = _card(config, len(data.labels), logs.seconds_spent)
    export.save(task.module(), fn_args.serving_model_dir, config, card)
    shutil.copytree(logs.folder, fn_args.model_run_dir, dirs_exist_ok=True)
    checkpoints.discard()


def _fingerprint(patterns: list[str]) -> str:
    """Read the data's fingerprint from the manifest in the root of the Examples artifact."""
    manifest = Path(patterns[0]).parent.parent / MANIFEST
    if not tf.io.gfile.exists(str(manifest)):
        raise UserError(f"no {MANIFEST} beside the training examples: {manifest} is missing")
    with tf.io.gfile.GFile(str(manifest)) as file:
        return str(json.load(file)["fingerprint"])


def _reals(data: input.Images, config: TrainerConfig) -> np.ndarray:
    """Lay out real images like the samples: a class per row."""
    columns = 10
    if not config.data.classes:
        return sheet(data.images[: columns * columns], columns)
    rows = [data.images[data.labels == label][:columns] for label in range(config.data.classes)]
    blank = np.zeros((columns, *config.data.image_shape), np.uint8)
    filled = [np.concatenate([row, blank])[:columns] for row in rows]
    return sheet(np.concatenate(filled), columns)


def _card(config: TrainerConfig, examples: int, seconds: float) -> str:
    """Write the model card: what it is, what it learned from, how to ask it."""
    data, train = config.data, config.train
    classes = f", classes {', '.join(data.label_names)}" if data.classes else ""
    inputs = "seed: int64[B]" + (", label: int64[B]" if data.classes else "")
    return f"""# {config.model.family} on {data.dataset}

- Data: {examples:,} training images of shape {data.image_shape}{classes}
- Training: {train.steps:,} steps of {train.batch_size} images in {seconds:.0f} s, loss {train.loss}
- Signatures: `generate` ({inputs}) -> image: uint8[B,H,W,C]; `generate_png` -> png: string[B]
- The same seed gives the same image on this model, whatever the batch around it.
- Scores and verdict are in the evaluation report of the run that made it; recipe: recipe.yaml.
- Not for: standing in for real data where a person's handwriting or identity matters.
"""
