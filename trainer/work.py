"""The folder of one training's unfinished work: found again, or in the way of another recipe.

TFX gives every Trainer execution a new output folder, so checkpoints live in a folder of their
own, `<checkpoint_root>/<key>`, where the key names the recipe and the data: the same command
finds its own earlier work. Nothing unfinished is ever lost in silence: other work in the same root
is refused with the differences, until `train.on_change` says what to do with it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from trainer.checkpoint import KEPT, last_step
from trainer.errors import UserError
from trainer.settings import TrainerConfig

SETTINGS, FAILED = "work.json", "failed"
_SECTIONS = {"data", "model", "train", "extractor"}


def key(config: TrainerConfig, data_fingerprint: str) -> str:
    """Name the work that `config` describes on the data with that fingerprint.

    Returns:
      `<family>-<12 hex digits>`; equal for equal settings and data, whatever the paths.
    """
    text = json.dumps(_described(config, data_fingerprint), sort_keys=True)
    return f"{config.model.family}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def claim(config: TrainerConfig, data_fingerprint: str) -> Path:
    """Return the folder of this training, after seeing to unfinished work of other settings.

    Raises:
      UserError: There is such work and `train.on_change` does not say what to do with it.
    """
    root = Path(config.checkpoint_root)
    mine = root / key(config, data_fingerprint)
    described = _described(config, data_fingerprint)
    for other in () if mine.exists() else _unfinished(root):
        before = json.loads((other / SETTINGS).read_text(encoding="utf-8"))
        changes = list(differences(before, described))
        if config.train.on_change == "refuse":
            raise UserError(
                f"unfinished training in '{other}' (step {last_step(other)}) differs from this "
                f"recipe: {'; '.join(changes)}. Run with those settings to finish it, or give "
                "--set train.on_change=restart (begin anew, remove it) or =continue (go on from it)"
            )
        if config.train.on_change == "restart":
            shutil.rmtree(other)
        elif not mine.exists():
            _check_same_networks(changes)
            other.rename(mine)
    mine.mkdir(parents=True, exist_ok=True)
    (mine / SETTINGS).write_text(json.dumps(described, indent=2), encoding="utf-8")
    (mine / FAILED).unlink(missing_ok=True)
    return mine


def give_up(folder: Path) -> None:
    """Mark work that went wrong: it stays to be looked at and is in nobody's way."""
    (folder / FAILED).touch()


def differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield "a.b 1 -> 2" for each setting that differs."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{path}{name}.")
        elif old != new:
            yield f"{path}{name} {old} -> {new}"


def check_space(folder: Path) -> None:
    """Check that checkpoints will fit on the disk, given that one of them lies there already.

    Raises:
      UserError: They will not.
    """
    one = sum(file.stat().st_size for file in (folder / "checkpoints").iterdir())
    needed, free = one * (KEPT + 2), shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"no space for checkpoints: '{folder}' has {free / 1e6:.0f} MB free and training needs "
            f"{needed / 1e6:.0f} MB: free some, or name another folder with --output-dir"
        )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn a full disk, whoever meets it, into one line.

    Raises:
      UserError: The disk is full.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error)
        if not full:
            raise
        raise UserError(
            f"no space left on the disk of '{folder}': free some; the same command then continues "
            f"from step {last_step(folder)}"
        ) from error


def _described(config: TrainerConfig, data_fingerprint: str) -> dict[str, Any]:
    """Say what makes this training what it is."""
    settings = config.model_dump(mode="json", include=_SECTIONS)
    del settings["train"]["on_change"]
    return {**settings, "records": data_fingerprint}


def _unfinished(root: Path) -> list[Path]:
    """Find work that has got somewhere, latest first."""
    found = [file.parent for file in root.glob(f"*/{SETTINGS}")]
    found = [f for f in found if last_step(f) > 0 and not (f / FAILED).exists()]
    return sorted(found, key=lambda f: (f / "checkpoints").stat().st_mtime, reverse=True)


def _check_same_networks(changes: list[str]) -> None:
    bad = [change for change in changes if not change.startswith("train.")]
    if bad:
        raise UserError(
            f"train.on_change=continue allows changes of train.* only, and this is another: "
            f"{'; '.join(bad)}; give train.on_change=restart to begin anew"
        )
