"""Dense networks only: the first GAN of the literature, with or without the label as an input.

With labels, their vector (`model.labels`: one-hot, embedding or the plain number) joins the noise
and the flattened image.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers

from trainer.gan_settings import GanModel
from trainer.models import parts
from trainer.models.base import both_forms
from trainer.settings import DataSettings

WAYS = ("concatenation", "embedding", "number")
LEAK = 0.2


def build_generator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[noise float32[B,Z], label int32[B]] -> float32[B,H,W,C]` in [-1, 1]."""
    noise, label = parts.generator_inputs(model)
    x = _joined(noise, label, model, data) if conditional else noise
    for width in model.generator_channels:
        x = layers.LeakyReLU(LEAK)(layers.Dense(width)(x))
        x = parts.batch_norm()(x)
    x = layers.Dense(math.prod(data.image_shape), activation="tanh", dtype="float32")(x)
    image = layers.Reshape(data.image_shape)(x)
    return keras.Model([noise, label], image, name="generator")


def build_discriminator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[images float32[B,H,W,C], label int32[B]] -> float32[B]` logits."""
    image, label = parts.discriminator_inputs(data)
    x = layers.Flatten()(image)
    x = _joined(x, label, model, data) if conditional else x
    for width in model.discriminator_channels:
        x = layers.LeakyReLU(LEAK)(parts.bounded(model, layers.Dense(width))(x))
        x = layers.Dropout(model.dropout)(x)
    return keras.Model([image, label], parts.to_logits(x, model), name="discriminator")


def _joined(x: Any, label: Any, model: GanModel, data: DataSettings) -> Any:
    return layers.Concatenate()([x, parts.label_vector(label, model, data)])


UNCONDITIONAL, CONDITIONAL = both_forms(
    ("dense_gan", "dense_cgan"), build_generator, build_discriminator, WAYS, grid=False
)
