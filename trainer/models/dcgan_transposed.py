"""DCGAN of the literature that grows by transposed convolutions of kernel 5 (Radford et al. 2016).

The first one keeps the grid, each further one doubles it. Kernel 5 is not divisible by stride 2, so
its samples show the checkerboard that Odena et al. 2016 explain; our own families use kernel 4.
The conditional form adds the label as maps to the first grid and to the image. Nearly all its work
is in 5x5 kernels on small grids with many channels, which `fourier` trains in less.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from trainer.gan_settings import GanModel
from trainer.models import parts
from trainer.models.base import both_forms, check_grid
from trainer.models.fourier import FourierConv2D, FourierConv2DTranspose
from trainer.settings import DataSettings

KERNEL = 5
LEAK = 0.3
WAYS = ("concatenation", "embedding", "number")


def build_generator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[noise float32[B,Z], label int32[B]] -> float32[B,H,W,C]` in [-1, 1]."""
    side = check_grid(model, data)
    first, *rest = model.generator_channels
    noise, label = parts.generator_inputs(model)
    x = _active(layers.Dense(side * side * first, use_bias=False)(noise))
    x = layers.Reshape((side, side, first))(x)
    if conditional:
        x = layers.Concatenate()([x, parts.label_map(label, model, data, side)])
    for stride, channels in zip((1, *[2] * len(rest)), model.generator_channels[1:], strict=False):
        grow = FourierConv2DTranspose(channels, KERNEL, stride, padding="same", use_bias=False)
        x = _active(grow(x))
    image = layers.Conv2DTranspose(
        data.image_shape[2], KERNEL, 2, padding="same", activation="tanh", dtype="float32"
    )
    return keras.Model([noise, label], image(x), name="generator")


def build_discriminator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[images float32[B,H,W,C], label int32[B]] -> float32[B]` logits."""
    image, label = parts.discriminator_inputs(data)
    x = image
    if conditional:
        maps = parts.label_map(label, model, data, data.image_shape[0])
        x = layers.Concatenate()([image, maps])
    for channels in model.discriminator_channels:
        convolution = FourierConv2D(channels, KERNEL, 2, padding="same")
        x = layers.LeakyReLU(LEAK)(parts.bounded(model, convolution)(x))
        x = layers.Dropout(model.dropout)(x)
    logits = parts.to_logits(layers.Flatten()(x), model)
    return keras.Model([image, label], logits, name="discriminator")


def _active(x: Any) -> Any:
    return layers.LeakyReLU(LEAK)(parts.batch_norm()(x))


UNCONDITIONAL, CONDITIONAL = both_forms(
    ("dcgan_transposed", "dcgan_transposed_cgan"), build_generator, build_discriminator, WAYS
)
