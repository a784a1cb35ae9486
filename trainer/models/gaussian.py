"""The smallest GAN of the literature: one number from a normal distribution, with or without label.

Dense layers of a few units; a conditional one is told its class as a one-hot vector.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from trainer.gan_settings import GanModel
from trainer.models import parts
from trainer.models.base import both_forms
from trainer.settings import DataSettings

LEAK = 0.1


def build_generator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[noise float32[B,Z], label int32[B]] -> float32[B,1]`."""
    noise, label = parts.generator_inputs(model)
    x = _layers(noise, label, model.generator_channels, data, conditional)
    value = layers.Dense(1, dtype="float32")(x)
    return keras.Model([noise, label], value, name="generator")


def build_discriminator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[values float32[B,1], label int32[B]] -> float32[B]` logits."""
    value, label = keras.Input((1,), name="value"), keras.Input((), dtype="int32")
    x = _layers(value, label, model.discriminator_channels, data, conditional)
    return keras.Model([value, label], parts.to_logits(x, model), name="discriminator")


def _layers(
    x: Any, label: Any, widths: tuple[int, ...], data: DataSettings, conditional: bool
) -> Any:
    if conditional:
        x = ops.concatenate([x, ops.one_hot(label, data.classes)], -1)
    for width in widths:
        x = layers.LeakyReLU(LEAK)(layers.Dense(width)(x))
    return x


UNCONDITIONAL, CONDITIONAL = both_forms(
    ("gaussian_gan", "gaussian_cgan"),
    build_generator,
    build_discriminator,
    ("concatenation",),
    grid=False,
    medium="trainer.values:Values",
)
