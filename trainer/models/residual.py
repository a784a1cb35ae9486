"""Our best pair for 28x28 and 32x32: residual blocks, labels in three ways or none.

Generator blocks grow by one transposed convolution of kernel 4 and stride 2 (evenly overlapping,
the cheapest way on a CPU) beside a 1x1 shortcut that is upsampled; discriminator blocks shrink by
a strided convolution beside a pooled shortcut. One further block at the smallest grid, where a 3x3
convolution costs least, gives both networks their depth (after He et al. 2016, Miyato et al. 2018).

With labels: `projection` is conditional batch norm and an inner product with the features,
`embedding` and `concatenation` join a learned or one-hot vector to noise and features.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from trainer.gan_settings import GanModel
from trainer.models import parts
from trainer.models.base import both_forms, check_grid
from trainer.models.minibatch import MinibatchDeviation
from trainer.settings import DataSettings

WAYS = ("projection", "concatenation", "embedding")


def build_generator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[noise float32[B,Z], label int32[B]] -> float32[B,H,W,C]` in [-1, 1]."""
    side = check_grid(model, data)
    first, *rest = model.generator_channels
    noise, label = parts.generator_inputs(model)
    by_class = conditional and model.labels == "projection"

    def active(x: Any) -> Any:
        norm = parts.ConditionalBatchNorm(data.classes) if by_class else parts.batch_norm()
        return layers.ReLU()(norm([x, label] if by_class else x))

    x = noise
    if conditional and not by_class:
        x = layers.Concatenate()([noise, parts.label_vector(label, model, data)])
    x = layers.Dense(side * side * first)(x)
    x = layers.Reshape((side, side, first))(x)
    x += layers.Conv2D(first, 3, padding="same", use_bias=False)(active(x))
    for channels in rest:
        shortcut = layers.UpSampling2D()(layers.Conv2D(channels, 1)(x))
        x = layers.Conv2DTranspose(channels, 4, 2, padding="same", use_bias=False)(active(x))
        x += shortcut
    return keras.Model([noise, label], parts.to_image(active(x), data), name="generator")


def build_discriminator(model: GanModel, data: DataSettings, conditional: bool) -> keras.Model:
    """Build `[images float32[B,H,W,C], label int32[B]] -> float32[B]` logits."""
    image, label = parts.discriminator_inputs(data)
    convolve = lambda *a: parts.bounded(model, layers.Conv2D(*a, padding="same"))  # noqa: E731
    first, *rest = model.discriminator_channels
    x = convolve(first, 4, 2)(image)
    for channels in rest:
        shortcut = convolve(channels, 1)(layers.AveragePooling2D(2, padding="same")(x))
        x = convolve(channels, 4, 2)(layers.LeakyReLU(parts.LEAK)(x)) + shortcut
    last = model.discriminator_channels[-1]
    seen = layers.LeakyReLU(parts.LEAK)(x)
    if model.minibatch_group:
        seen = MinibatchDeviation(model.minibatch_group)(seen)
    x += convolve(last, 3)(seen)
    x = layers.Dropout(model.dropout)(layers.LeakyReLU(parts.LEAK)(x))
    # Mean times side: between a mean (too small to train on) and a sum (too large).
    features = layers.GlobalAveragePooling2D()(x) * float(x.shape[1])
    if not conditional:
        logits = parts.to_logits(features, model)
    elif model.labels == "projection":
        logits = parts.to_logits(features, model) + parts.projection(features, label, model, data)
    else:
        vector = parts.label_vector(label, model, data)
        joined = ops.concatenate([features, ops.cast(vector, features.dtype)], -1)
        hidden = layers.LeakyReLU(parts.LEAK)(parts.bounded(model, layers.Dense(last))(joined))
        logits = parts.to_logits(hidden, model)
    return keras.Model([image, label], logits, name="discriminator")


UNCONDITIONAL, CONDITIONAL = both_forms(
    ("residual_gan", "residual_cgan"),
    build_generator,
    build_discriminator,
    WAYS,
    extras=("minibatch_group",),
)
