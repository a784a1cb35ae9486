"""Every family of adversarial networks: shapes, what it refuses, and that labels matter."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer import models
from trainer.errors import UserError
from trainer.gan_settings import GanModel
from trainer.settings import DataSettings

DATA = DataSettings(dataset="d", image_shape=(28, 28, 1), label_names=tuple("abc"))
PLAIN = ["dcgan_transposed", "dcgan_upsampling", "dense_gan", "residual_gan"]
WITH_LABELS = [
    ("cgan", "projection"),
    ("dcgan_transposed_cgan", "concatenation"),
    ("dcgan_transposed_cgan", "embedding"),
    ("dcgan_transposed_cgan", "number"),
    ("dense_cgan", "concatenation"),
    ("dense_cgan", "embedding"),
    ("dense_cgan", "number"),
    ("residual_cgan", "concatenation"),
    ("residual_cgan", "embedding"),
    ("residual_cgan", "projection"),
]


def settings(family: str, labels: str = "projection", **changes: object) -> GanModel:
    small = {"latent_size": 5, "generator_channels": (8, 8, 4), "discriminator_channels": (4, 8)}
    return GanModel.model_validate({"family": family, "labels": labels, **small, **changes})


def test_every_family_of_images_is_tested_here() -> None:
    tested = {*PLAIN, *(name for name, _ in WITH_LABELS)}
    images = {name for name, line in models.FAMILIES.items() if line.task == "image"}
    assert tested == {name for name in images if not name.startswith("gaussian")}
    for name in tested:
        family = models.family(name)
        assert (family.name, family.conditional) == (name, models.FAMILIES[name].conditional)


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
@pytest.mark.parametrize(
    ("name", "labels"), [*[(name, "projection") for name in PLAIN], *WITH_LABELS]
)
def test_shapes_ranges_and_what_the_label_changes(name: str, labels: str, shape: tuple) -> None:
    data = DATA.model_copy(update={"image_shape": shape})
    family, model = models.family(name), settings(name, labels)
    generator, discriminator = family.generator(model, data), family.discriminator(model, data)
    for network in (generator, discriminator):  # tables of gains begin equal for all classes
        for weight in network.trainable_variables:
            weight.assign(tf.random.stateless_normal(weight.shape, [1, 2]) * 0.1 + weight)
    noise = tf.repeat(tf.random.stateless_normal([1, 5], [3, 4]), 2, axis=0)
    images = generator([noise, tf.constant([0, 2])]).numpy()
    assert images.shape == (2, *shape) and np.abs(images).max() <= 1.0
    same = tf.repeat(tf.random.stateless_uniform([1, *shape], [5, 6]), 2, axis=0)
    logits = discriminator([same, tf.constant([0, 2])])
    assert logits.shape == (2,) and logits.dtype == tf.float32
    assert (np.abs(images[0] - images[1]).max() > 1e-4) == family.conditional
    assert (abs(float(logits[0] - logits[1])) > 1e-6) == family.conditional


@pytest.mark.parametrize("name", ["cgan", "residual_cgan", "dense_gan", "dcgan_upsampling"])
def test_spectral_norm_bounds_every_layer(name: str) -> None:
    model = settings(name, spectral_norm=True)
    network = models.family(name).discriminator(model, DATA)
    wrapped = [layer for layer in network.layers if type(layer).__name__ == "SpectralNormalization"]
    assert len(wrapped) == sum(1 for w in network.trainable_variables if "kernel" in w.path)
    images = tf.random.stateless_normal([2, 28, 28, 1], [1, 1])
    for _ in range(30):  # the power iteration moves one step per training call
        network([images, tf.constant([0, 1])], training=True)
    for layer in wrapped:
        kernel = layer.layer.kernel.numpy()
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert largest == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("residual_cgan", {"label_names": ()}, "needs class labels and data set 'd' has none"),
        ("residual_gan", {"image_shape": (30, 30, 1)}, "multiple of 4, 'd' has 30x30"),
        ("cgan", {"image_shape": (28, 32, 1)}, "needs square images"),
        ("dcgan_upsampling", {"image_shape": (4, 4, 1)}, "'d' has 4x4: give fewer"),
        ("dense_cgan", {}, "model.labels is 'projection' and model family 'dense_cgan' takes"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, data: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        models.family(name).check(settings(name), DATA.model_copy(update=data))


def test_an_extra_is_refused_where_it_would_do_nothing() -> None:
    with pytest.raises(UserError, match=r"minibatch_group is 4 and .* 'dense_gan' does without"):
        models.family("dense_gan").check(settings("dense_gan", minibatch_group=4), DATA)


def test_data_without_classes_suit_an_unconditional_family() -> None:
    data = DATA.model_copy(update={"label_names": ()})
    for name in PLAIN:
        models.family(name).check(settings(name), data)


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown model family 'cgam': did you mean 'cgan'"):
        models.family("cgam")
