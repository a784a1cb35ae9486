"""Image encoders: a small convolutional net to learn from scratch, and keras.applications' nets."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import NamedTuple

import keras
from keras import layers

from trainer.caption_settings import CaptionModel
from trainer.errors import UserError


class Backbone(NamedTuple):
    """A net of keras.applications, and the pixel scale that its published weights expect."""

    path: str
    scale: float
    offset: float


# Scale and offset take [-1, 1] to what each net's `preprocess_input` makes.
BACKBONES = {
    "efficientnet_b0": Backbone("keras.applications:EfficientNetB0", 127.5, 127.5),
    "efficientnet_b3": Backbone("keras.applications:EfficientNetB3", 127.5, 127.5),
    "inception_v3": Backbone("keras.applications:InceptionV3", 1.0, 0.0),
    "resnet_50": Backbone("keras.applications:ResNet50V2", 1.0, 0.0),
}


def build(model: CaptionModel) -> keras.Model:
    """Build the encoder that `model` names: float32[B,S,S,3] in [-1, 1] -> [B,h,w,C].

    Raises:
      UserError: The image is too small for it, or its weights cannot be had.
    """
    return _cnn(model) if model.encoder == "cnn" else _backbone(model)


def frozen(model: CaptionModel) -> bool:
    """Say whether the encoder's output for an image is the same in every process and step."""
    known = model.encoder != "cnn" and model.encoder_weights != "random"
    return known and not model.fine_tune


def _cnn(model: CaptionModel) -> keras.Model:
    """Strided 3x3 convolutions; the last keeps the grid."""
    halvings = len(model.encoder_channels) - 1
    if model.image_size % 2**halvings or model.image_size // 2**halvings < 2:
        raise UserError(
            f"model.image_size is {model.image_size}: with {halvings + 1} encoder_channels it must "
            f"be a multiple of {2**halvings} and at least {2 ** (halvings + 1)}"
        )
    image = keras.Input((model.image_size, model.image_size, 3), name="image")
    x = image
    for n, channels in enumerate(model.encoder_channels):
        strides = 2 if n < halvings else 1
        x = layers.Conv2D(channels, 3, strides, padding="same", use_bias=False)(x)
        # 0.9: with Keras' 0.99 a short run would still normalise by its initial statistics.
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(image, x, name="encoder")


def _backbone(model: CaptionModel) -> keras.Model:
    """A published net without its classifier; its normalisation always stays in inference mode."""
    backbone = BACKBONES[model.encoder]
    module, name = backbone.path.split(":")
    image = keras.Input((model.image_size, model.image_size, 3), name="image")
    make = getattr(importlib.import_module(module), name)
    try:
        net = make(include_top=False, weights=None, input_shape=image.shape[1:])
    except ValueError as error:
        raise UserError(f"model.image_size for '{model.encoder}': {_line(error)}") from None
    _load(net, make, model)
    net.trainable = model.fine_tune
    pixels = layers.Rescaling(backbone.scale, backbone.offset)(image)
    return keras.Model(image, net(pixels, training=False), name="encoder")


def _load(net: keras.Model, make: object, model: CaptionModel) -> None:
    weights = model.encoder_weights
    if weights == "random":
        return
    if weights == "imagenet":
        try:
            published = make(include_top=False, weights="imagenet", input_shape=net.input_shape[1:])  # type: ignore[operator]
        except Exception as error:
            raise UserError(
                f"the ImageNet weights of '{model.encoder}' cannot be had ({_line(error)}): give "
                "model.encoder_weights the path of a weights file, or 'random'"
            ) from None
        net.set_weights(published.get_weights())
        return
    if not Path(weights).is_file():
        raise UserError(
            f"model.encoder_weights is '{weights}' and there is no such file: give the path of a "
            ".weights.h5 file, 'imagenet' or 'random'"
        )
    try:
        net.load_weights(weights)
    except (ValueError, OSError) as error:
        raise UserError(
            f"'{weights}' holds no weights of '{model.encoder}': {_line(error)}"
        ) from None


def _line(error: Exception, limit: int = 160) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
