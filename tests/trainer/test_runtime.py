"""Two logical devices against one, and switches that exclude each other."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from trainer import runtime
from trainer.errors import UserError
from trainer.settings import LoopSettings

CURVE = """
import json, sys
import tensorflow as tf
if sys.argv[2] == "2":
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from trainer import models, runtime
from trainer.gan_settings import GanConfig
fn_args = json.loads(sys.argv[1])
config = GanConfig.model_validate_json(fn_args.pop("custom_config")["trainer"])
devices = tf.config.list_logical_devices("CPU")
if len(devices) == 2:  # without a GPU the strategy takes one CPU only, unless told
    inner = tf.distribute.MirroredStrategy
    tf.distribute.MirroredStrategy = lambda: inner([device.name for device in devices])
from types import SimpleNamespace
with runtime.prepared(config.train) as strategy:
    task = models.family(config.model.family).task(config, SimpleNamespace(**fn_args))
    batches = task.batches()
    lines = [task.train(batches, tf.constant(2)).numpy().tolist() for _ in range(4)]
print(json.dumps([strategy.num_replicas_in_sync, lines]))
"""


def curve(args: SimpleNamespace, devices: int) -> list[list[float]]:
    command = [sys.executable, "-c", CURVE, json.dumps(vars(args)), str(devices)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    replicas, lines = json.loads(done.stdout.splitlines()[-1])
    assert replicas == devices
    return lines


def test_two_devices_learn_what_one_learns_from_the_same_global_batch(fn_args) -> None:
    one = curve(fn_args("one"), 1)
    two = curve(fn_args("two", mirrored=True), 2)
    for before, after in zip(one, two, strict=True):
        # Losses and accuracies; norms of gradients and spreads belong to each half of the batch.
        assert after[:4] == pytest.approx(before[:4], abs=2e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mirrored": True, "jit": True}, "set one of them to false"),
    ],
)
def test_switches_that_exclude_each_other_are_refused(settings: dict, message: str) -> None:
    train = LoopSettings.model_validate({"steps": 1, **settings})
    with pytest.raises(UserError, match=message), runtime.prepared(train):
        raise AssertionError("not reached")
