"""Unfinished work: its key, other settings in its way, the disk, what a kill costs."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from trainer import work
from trainer.errors import RunFailed, UserError
from trainer.gan_settings import GanConfig
from trainer.run_fn import run_fn


@pytest.fixture
def config(fn_args):
    """Return the settings of a training with some of them changed."""

    def make(**train: object) -> GanConfig:
        return GanConfig.model_validate_json(fn_args(**train).custom_config["trainer"])

    return make


def unfinished(config: GanConfig, step: int = 10) -> Path:
    """Leave work behind as an interrupted training would."""
    folder = work.claim(config, "f00d")
    checkpoint = tf.train.Checkpoint(x=tf.Variable(1.0))
    manager = tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), 2)
    manager.save(step)
    return folder


def test_key_names_settings_and_data_but_no_paths(config) -> None:
    one = config()
    moved = one.model_copy(update={"checkpoint_root": "/elsewhere", "recipe": "x"})
    assert work.key(one, "a") == work.key(moved, "a") == work.key(config(on_change="restart"), "a")
    assert work.key(one, "a") != work.key(config(beta_2=0.9), "a")
    assert work.key(one, "a") != work.key(one, "b")


def test_the_same_settings_find_their_work(config) -> None:
    folder = unfinished(config())
    assert work.claim(config(), "f00d") == folder


def test_a_changed_recipe_is_refused_with_the_differences(config) -> None:
    folder = unfinished(config())
    with pytest.raises(UserError) as caught:
        work.claim(config(beta_2=0.9, steps=30), "beef")
    text = str(caught.value)
    assert f"unfinished training in '{folder}' (step 10)" in text
    assert "records f00d -> beef; train.beta_2 0.99 -> 0.9; train.steps 20 -> 30" in text
    assert "train.on_change=restart" in text and "\n" not in text
    assert folder.exists()


def test_work_that_got_nowhere_or_went_wrong_is_in_nobodys_way(config) -> None:
    unfinished(config(), step=0)
    work.give_up(unfinished(config(beta_1=0.1)))
    work.claim(config(beta_2=0.9), "f00d")


def test_restart_removes_and_continue_goes_on(config) -> None:
    first = unfinished(config())
    goes_on = work.claim(config(steps=30, on_change="continue"), "f00d")
    assert not first.exists() and work.last_step(goes_on) == 10
    anew = work.claim(config(steps=40, on_change="restart"), "f00d")
    assert not goes_on.exists() and work.last_step(anew) == 0


def test_other_networks_or_records_cannot_be_continued(config) -> None:
    unfinished(config())
    with pytest.raises(UserError, match=r"changes of train\.\* only.*records f00d -> beef"):
        work.claim(config(on_change="continue"), "beef")


def test_a_folder_of_another_family_is_refused_before_training(fn_args, config) -> None:
    args = fn_args()
    unfinished(config())
    settings = json.loads(args.custom_config["trainer"])
    settings["model"]["family"] = "residual_cgan"
    args.custom_config = {"trainer": json.dumps(settings)}
    with pytest.raises(UserError, match=r"model\.family cgan -> residual_cgan"):
        run_fn(args)


def test_too_little_space_is_told_before_training(fn_args, monkeypatch) -> None:
    monkeypatch.setattr(work.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"no space for checkpoints: .* has 0 MB free and .* needs"):
        run_fn(fn_args())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "ckpt; No space left on device"),
    ],
)
def test_a_disk_that_fills_up_is_one_line_that_says_what_is_safe(config, error) -> None:
    folder = unfinished(config())
    told = pytest.raises(UserError, match=r"no space left .* continues from step 10")
    with told, work.explained(folder):
        raise error
    with pytest.raises(OSError, match="something else"), work.explained(folder):
        raise OSError(errno.EACCES, "something else")


def test_a_failed_training_leaves_the_way_free(fn_args, monkeypatch) -> None:
    monkeypatch.setattr("trainer.adversarial.AdversarialTask.trouble", lambda *_: "it ran away")
    with pytest.raises(RunFailed, match="it ran away between steps 1 and 5"):
        run_fn(fn_args())
    monkeypatch.undo()
    args = fn_args("b", steps=5)
    run_fn(args)
    assert Path(args.serving_model_dir).exists()


RUN = """
import json, os, signal, sys
from types import SimpleNamespace
from trainer.adversarial import AdversarialTask
from trainer.run_fn import run_fn

args, kill_at = json.loads(sys.argv[1]), int(sys.argv[2])
inner = AdversarialTask.train
def train(self, batches, count):
    result = inner(self, batches, count)
    if int(self.step) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
AdversarialTask.train = train
for one in args:
    run_fn(SimpleNamespace(**one))
"""


def run_elsewhere(*args: SimpleNamespace, kill_at: int = 0) -> int:
    command = [sys.executable, "-c", RUN, json.dumps([vars(one) for one in args]), str(kill_at)]
    return subprocess.run(command, check=False, timeout=300).returncode


def test_a_kill_costs_the_interval_and_changes_nothing(fn_args) -> None:
    """20 steps in one go against 10, a kill -9 at 15, and the rest; in deterministic mode."""
    killed, unbroken = (
        fn_args("killed", deterministic=True),
        fn_args("unbroken", deterministic=True),
    )
    assert run_elsewhere(killed, kill_at=15) == -signal.SIGKILL
    root = Path(json.loads(killed.custom_config["trainer"])["checkpoint_root"])
    assert [work.last_step(folder) for folder in root.iterdir()] == [10]
    assert run_elsewhere(killed, unbroken) == 0

    def results(args: SimpleNamespace) -> tuple[list[str], list[dict]]:
        folder = Path(args.model_run_dir)
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        return sorted(file.name for file in folder.glob("*.png")), list(map(json.loads, lines))

    (sheets, lines), (other_sheets, other_lines) = results(killed), results(unbroken)
    assert sheets == other_sheets
    assert [line["step"] for line in lines] == [line["step"] for line in other_lines]
    for line, other in zip(lines, other_lines, strict=True):
        assert line["loss_d"] == pytest.approx(other["loss_d"], abs=1e-5)
        assert line["loss_g"] == pytest.approx(other["loss_g"], abs=1e-5)
