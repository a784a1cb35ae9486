"""The conditional family: shapes, what it refuses, and that labels matter to both networks."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer import models
from trainer.errors import UserError
from trainer.gan_settings import GanModel
from trainer.settings import DataSettings

DATA = DataSettings(dataset="d", image_shape=(28, 28, 1), label_names=tuple("abc"))


def settings(**changes: object) -> GanModel:
    return GanModel.model_validate({"family": "cgan", "latent_size": 5, **changes})


@pytest.mark.parametrize("side", [28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_ranges(side: int, channels: int) -> None:
    data = DATA.model_copy(update={"image_shape": (side, side, channels)})
    family = models.family("cgan")
    noise, label = tf.random.normal([4, 5]), tf.constant([0, 1, 2, 0])
    images = family.generator(settings(), data)([noise, label], training=True)
    assert images.shape == (4, side, side, channels)
    assert float(tf.reduce_max(tf.abs(images))) <= 1.0
    logits = family.discriminator(settings(), data)([images, label])
    assert logits.shape == (4,) and logits.dtype == tf.float32


def test_the_label_changes_what_both_networks_say() -> None:
    family = models.family("cgan")
    generator, discriminator = (
        family.generator(settings(), DATA), family.discriminator(settings(), DATA),
    )  # fmt: skip
    tables = [w for w in generator.trainable_variables if "conditional_batch_norm" in w.path]
    assert len(tables) == 2 * 3, "a gain and a bias per stage"
    tables[0].assign(tf.random.normal(tables[0].shape))
    noise = tf.random.normal([1, 5])
    drawn = [generator([noise, tf.constant([label])]) for label in (0, 1)]
    assert float(tf.reduce_max(tf.abs(drawn[0] - drawn[1]))) > 1e-6
    judged = [float(discriminator([drawn[0], tf.constant([label])])[0]) for label in (0, 1)]
    assert judged[0] != judged[1]


def test_spectral_norm_bounds_every_layer() -> None:
    network = models.family("cgan").discriminator(settings(spectral_norm=True), DATA)
    wrapped = [layer for layer in network.layers if type(layer).__name__ == "SpectralNormalization"]
    assert len(wrapped) == 5
    images = tf.random.normal([2, 28, 28, 1])
    for _ in range(30):  # the power iteration moves one step per training call
        network([images, tf.constant([0, 1])], training=True)
    kernel = wrapped[0].layer.kernel.numpy()
    largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    assert largest == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"label_names": ()}, "needs class labels and data set 'd' has none"),
        ({"image_shape": (30, 30, 1)}, "multiple of 4, 'd' has 30x30"),
        ({"image_shape": (28, 32, 1)}, "needs square images"),
    ],
)
def test_data_that_do_not_fit_are_refused(data: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        models.family("cgan").check(settings(), DATA.model_copy(update=data))


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown model family 'cgam': did you mean 'cgan'"):
        models.family("cgam")
