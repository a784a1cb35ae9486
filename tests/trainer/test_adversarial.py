"""The step: who learns from it, the averaged weights, lazy R1, noise by seed."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer import models
from trainer.gan_settings import GanConfig


@pytest.fixture
def make(fn_args):
    """Build a task and its batches for the settings given as keywords."""

    def build(**train: object):
        args = fn_args(**train)
        config = GanConfig.model_validate_json(args.custom_config["trainer"])
        task = models.family("cgan").task(config, args)
        return task, task.batches()

    return build


def test_a_step_moves_both_networks_and_counts(make) -> None:
    task, batches = make(discriminator_steps=2)
    before = [w.numpy() for w in (*task.generator.weights, *task.discriminator.weights)]
    metrics = task.train(batches, tf.constant(3)).numpy()
    after = [w.numpy() for w in (*task.generator.weights, *task.discriminator.weights)]
    assert int(task.step) == 3
    assert int(task.optimizer_d.iterations) == 6 and int(task.optimizer_g.iterations) == 3
    assert len(metrics) == len(task.metric_names) and np.isfinite(metrics).all()
    trained = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(trained) > 0.9 * len(trained)


def test_averaged_weights_follow_the_stated_decay(make) -> None:
    task, batches = make(batch_size=8, ema_half_life=4)
    old = [w.numpy() for w in task.averaged.trainable_variables]
    task.train(batches, tf.constant(1))
    # One step of 8 images: the half-life is a twentieth of them, 0.4 images.
    keep = 0.5 ** (8 / 0.4)
    new = [w.numpy() for w in task.generator.trainable_variables]
    for averaged, before, now in zip(task.averaged.trainable_variables, old, new, strict=True):
        np.testing.assert_allclose(averaged.numpy(), now + (before - now) * keep, atol=1e-6)


def test_r1_is_applied_at_its_interval_and_scaled_by_it(make) -> None:
    task, batches = make(r1_gamma=0.5, r1_interval=2)
    images, labels = next(batches)
    at_zero = float(task._lazy_r1(images, labels))
    task.step.assign(1)
    assert float(task._lazy_r1(images, labels)) == 0.0
    task.step.assign(2)
    assert float(task._lazy_r1(images, labels)) == pytest.approx(at_zero) and at_zero > 0


def test_noise_depends_on_the_seed_alone(make) -> None:
    task, _ = make()
    together = task.noise(tf.constant([3, 9, 2**40], tf.int64)).numpy()
    alone = task.noise(tf.constant([9], tf.int64)).numpy()
    np.testing.assert_array_equal(together[1], alone[0])
    many = task.noise(tf.range(2000, dtype=tf.int64)).numpy()
    assert abs(many.mean()) < 0.05 and many.std() == pytest.approx(1.0, abs=0.05)
    assert len(np.unique(many[:, 0])) == 2000


def test_another_seed_is_another_training(make) -> None:
    first, other = make(seed=0), make(seed=1)
    losses = [task.train(batches, tf.constant(2)).numpy()[0] for task, batches in (first, other)]
    assert losses[0] != losses[1]
