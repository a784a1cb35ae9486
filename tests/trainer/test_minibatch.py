"""The spread of a group of images, as the discriminator sees it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from trainer import models
from trainer.errors import UserError
from trainer.gan_settings import GanConfig
from trainer.gan_step import GanStep
from trainer.models.minibatch import MinibatchDeviation


def test_the_map_is_the_mean_deviation_of_the_group() -> None:
    images = np.random.default_rng(1).normal(size=(6, 2, 3, 4)).astype(np.float32)
    images[3:] *= 5
    seen = MinibatchDeviation(3)(images).numpy()
    assert seen.shape == (6, 2, 3, 5)
    np.testing.assert_array_equal(seen[..., :4], images)
    for part in (slice(0, 3), slice(3, 6)):
        expected = images[part].std(axis=0).mean()
        np.testing.assert_allclose(seen[part, ..., 4], expected, rtol=1e-5)


def test_equal_images_have_a_finite_gradient() -> None:
    images = tf.ones([4, 2, 2, 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        spread = MinibatchDeviation(4)(images)[..., 1:]
    assert float(tf.reduce_max(spread)) < 1e-3
    assert np.isfinite(tape.gradient(spread, images).numpy()).all()


def config(batch: int, group: int) -> GanConfig:
    small = {"latent_size": 5, "generator_channels": (8, 4), "discriminator_channels": (4, 8)}
    return GanConfig.model_validate(
        {
            "data": {"dataset": "d", "image_shape": (8, 8, 1)},
            "model": {"family": "residual_gan", "minibatch_group": group, **small},
            "train": {"steps": 2, "batch_size": batch},
            "checkpoint_root": "",
        }
    )


def test_a_batch_that_does_not_part_into_groups_is_refused(monkeypatch) -> None:
    with pytest.raises(ValueError, match=r"batch_size is 6 and model\.minibatch_group 4: give"):
        config(6, 4)
    two = SimpleNamespace(num_replicas_in_sync=2)  # stands in for a machine of two GPUs
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: two)
    with pytest.raises(UserError, match=r"gives each device 6 images .* a multiple of 8"):
        GanStep(config(12, 4), models.family("residual_gan"))


def test_real_and_generated_images_share_no_group() -> None:
    step = GanStep(config(4, 4), models.family("residual_gan"))
    real, other = (tf.random.stateless_normal([4, 8, 8, 1], [n, 1]) for n in (1, 2))
    label = tf.zeros([4], tf.int32)
    alone = step.discriminator([real, label], training=True)
    both = step.discriminator([tf.concat([real, 3 * other], 0), tf.zeros([8], tf.int32)])
    np.testing.assert_allclose(both[:4], alone, rtol=1e-4, atol=1e-6)
