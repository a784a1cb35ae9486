"""The Trainer's entry: what it leaves behind, resumption, refusal, divergence."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainer import work
from trainer.adversarial import AdversarialTask
from trainer.errors import Interrupted, RunFailed, UserError
from trainer.gan_settings import GanConfig
from trainer.run_fn import run_fn


def metrics(folder: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


def interrupt_at(step: int, number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a real signal as soon as training has reached `step`."""
    inner = AdversarialTask.train

    def train(self, batches, count):
        result = inner(self, batches, count)
        if int(self.step) == step:
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(AdversarialTask, "train", train)


def test_run_folder_and_model_are_complete_and_checkpoints_gone(fn_args) -> None:
    args = fn_args()
    run_fn(args)
    made = {path.name for path in Path(args.model_run_dir).iterdir()}
    assert made == {
        "options.json", "recipe.yaml", "metrics.jsonl", "tensorboard", "reals.png", "training.gif",
        "samples-000000.png", "samples-000010.png", "samples-000020.png",
    }  # fmt: skip
    assert [row["step"] for row in metrics(args.model_run_dir)] == [5, 10, 15, 20]
    assert (Path(args.serving_model_dir) / "assets.extra" / "recipe.yaml").read_text()
    config = GanConfig.model_validate_json(args.custom_config["trainer"])
    assert not any(Path(config.checkpoint_root).iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_continued_equals_unbroken(fn_args, monkeypatch, number) -> None:
    unbroken = fn_args("unbroken")
    run_fn(unbroken)

    broken = fn_args("broken")
    with monkeypatch.context() as patch:
        interrupt_at(5, number, patch)
        with pytest.raises(Interrupted, match="stopped at step 5 of 20") as caught:
            run_fn(broken)
    assert caught.value.signal_number == number
    assert not Path(broken.serving_model_dir).exists()
    run_fn(broken)

    before, after = metrics(unbroken.model_run_dir), metrics(broken.model_run_dir)
    assert [row["step"] for row in after] == [row["step"] for row in before]
    for one, other in zip(before, after, strict=True):
        assert other["loss_d"] == pytest.approx(one["loss_d"], abs=1e-5)
        assert other["loss_g"] == pytest.approx(one["loss_g"], abs=1e-5)
    sheets = [
        sorted(p.name for p in Path(a.model_run_dir).glob("*.png")) for a in (unbroken, broken)
    ]
    assert sheets[0] == sheets[1]


def test_a_torn_checkpoint_falls_back_to_the_one_before(fn_args, monkeypatch, caplog) -> None:
    args = fn_args(steps=30)
    with monkeypatch.context() as patch:
        interrupt_at(25, signal.SIGTERM, patch)
        with pytest.raises(Interrupted):
            run_fn(args)
    config = GanConfig.model_validate_json(args.custom_config["trainer"])
    folder = Path(config.checkpoint_root) / work.key(config, "f00d") / "checkpoints"
    newest = max(folder.glob("*.data-*"), key=lambda path: path.name)
    assert "-25." in newest.name
    newest.write_bytes(newest.read_bytes()[:100])
    run_fn(args)
    assert "cannot be read, trying the one before" in caplog.text
    assert [row["step"] for row in metrics(args.model_run_dir)] == [5, 10, 15, 20, 25, 30]


def test_not_a_number_stops_and_names_the_steps(fn_args, monkeypatch) -> None:
    def train(self, batches, count):
        self.step.assign_add(int(count))
        return tf.constant([np.nan] + [0.0] * 6)

    monkeypatch.setattr(AdversarialTask, "train", train)
    with pytest.raises(RunFailed, match="loss_d not a number between steps 1 and 5"):
        run_fn(fn_args())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 41}, "only 40 training examples"),
        ({"batch_size": 21, "discriminator_steps": 2}, "is 42 and there are only 40"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(fn_args, setting, message) -> None:
    args = fn_args(**setting)
    with pytest.raises(UserError, match=message):
        run_fn(args)
    assert not Path(args.serving_model_dir).exists()
