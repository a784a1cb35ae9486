"""What TFX's Trainer calls: settings and paths in, SavedModel and run folder out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer import checkpoint, loop, models, progress, runtime, work
from trainer.best import Best
from trainer.errors import RunFailed, UserError
from trainer.features import MANIFEST
from trainer.logs import RunFolder
from trainer.settings import TrainerConfig


def run_fn(fn_args: Any) -> None:
    """Train as `fn_args.custom_config["trainer"]` says and export what came of it.

    Args:
      fn_args: TFX's `FnArgs`; used are `train_files`, `eval_files`, `transform_output`,
        `serving_model_dir`, `model_run_dir` and `custom_config["trainer"]`, the JSON of the
        `TrainerConfig` that belongs to its model family.

    Raises:
      UserError: The settings do not fit the data.
      RunFailed: Training diverged.
      Interrupted: A signal stopped it; the state is saved and the next call goes on from there.
    """
    text = fn_args.custom_config["trainer"]
    family = models.family(json.loads(text)["model"]["family"])
    config = family.config.model_validate_json(text)
    with runtime.prepared(config.train):
        _train(config, family.task(config, fn_args), fn_args)


def _train(config: TrainerConfig, task: loop.Task, fn_args: Any) -> None:
    # Where earlier work of this very recipe on these very data lies, if there is any.
    folder = work.claim(config, _fingerprint(fn_args.train_files))
    best = Best()
    checkpoints = checkpoint.Checkpoints(folder, {**task.trackables(), "best": best})
    with work.explained(folder):
        restored = checkpoints.restore()
        step = int(task.step.numpy())
        if restored and step:
            progress.say(f"training continues from step {step} of {config.train.steps}")
        else:
            # The first one is there to learn whether there is room.
            checkpoints.save(0)
        work.check_space(folder)

        # Train.
        options = config.model_dump_json(indent=2, exclude={"recipe"})
        logs = RunFolder(folder / "run", options, config.recipe, step)
        try:
            logs.image("reals", step, task.real_sheet())
            loop.run(task, config.train, logs, checkpoints, best)
            logs.animation()
        except RunFailed:
            work.give_up(folder)
            raise
        finally:
            logs.close()

        # Hand over. The checkpoints go last: until then the export can be repeated from them.
        if config.train.validate_every and checkpoints.restore_best():
            progress.say(f"exporting the best checkpoint, of step {int(best.step.numpy())}")
        task.save(fn_args.serving_model_dir, logs.seconds_spent)
        shutil.copytree(logs.folder, fn_args.model_run_dir, dirs_exist_ok=True)
    checkpoints.discard()


def _fingerprint(patterns: list[str]) -> str:
    """Read the data's fingerprint from the manifest in the root of the Examples artifact."""
    manifest = Path(patterns[0]).parent.parent / MANIFEST
    if not tf.io.gfile.exists(str(manifest)):
        raise UserError(f"no {MANIFEST} beside the training examples: {manifest} is missing")
    with tf.io.gfile.GFile(str(manifest)) as file:
        return str(json.load(file)["fingerprint"])
