"""Building blocks that several families of adversarial networks share."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from trainer.gan_settings import GanModel
from trainer.settings import DataSettings

LEAK = 0.1
EMBEDDING = 32
"""Length of a learned label vector."""


def batch_norm(**options: Any) -> layers.BatchNormalization:
    """Make a batch normalisation that short runs and replicas can live with.

    Momentum is 0.9: with Keras' 0.99 a short run would still normalise by its initial statistics.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(momentum=0.9, synchronized=replicas > 1, **options)


@keras.saving.register_keras_serializable("genvision")
class ConditionalBatchNorm(layers.Layer):
    """Batch normalisation whose gain and bias are looked up by class (de Vries et al. 2017)."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self.norm = batch_norm(center=False, scale=False, dtype=self.dtype_policy)

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return {**super().get_config(), "classes": self.classes}

    def build(self, input_shape: Any) -> None:
        """Create the tables, float32[classes, C] each."""
        channels = input_shape[0][-1]
        self.gain = self.add_weight(shape=(self.classes, channels), initializer="ones", name="gain")
        self.bias = self.add_weight(
            shape=(self.classes, channels), initializer="zeros", name="bias"
        )
        self.norm.build(input_shape[0])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Normalise: `[float32[B,H,W,C], int32[B]] -> float32[B,H,W,C]`."""
        features, label = inputs
        gain = ops.take(self.gain, label, axis=0)[:, None, None, :]
        bias = ops.take(self.bias, label, axis=0)[:, None, None, :]
        return self.norm(features, training=training) * gain + bias


@keras.saving.register_keras_serializable("genvision")
class UpsampledConv2D(layers.Conv2D):
    """A 3x3 convolution of an image whose pixels were doubled, without doubling them.

    The same weights and the same result as `UpSampling2D()` before `Conv2D(filters, 3)`, in 4
    multiplications where that takes 9: of the 3x3 window over doubled pixels some see the same
    source pixel, so their weights are added first, which leaves a transposed convolution of kernel
    4 and stride 2 (the sub-pixel form of Shi et al. 2016).
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(filters, **{"kernel_size": 3, "padding": "same", **kwargs})

    def call(self, inputs: Any) -> Any:
        """Map float32[B,H,W,C] to float32[B,2H,2W,filters]."""
        # Each source pixel covers two rows of the doubled image: full sums of neighbouring taps.
        kernel = ops.flip(self.kernel, axis=(0, 1))
        rows = ops.pad(kernel, [[1, 0], [0, 0], [0, 0], [0, 0]])
        rows += ops.pad(kernel, [[0, 1], [0, 0], [0, 0], [0, 0]])
        both = ops.pad(rows, [[0, 0], [1, 0], [0, 0], [0, 0]])
        both += ops.pad(rows, [[0, 0], [0, 1], [0, 0], [0, 0]])
        both = ops.transpose(both, (0, 1, 3, 2))
        grown = ops.conv_transpose(inputs, ops.cast(both, inputs.dtype), 2, padding="same")
        return grown + ops.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the doubled shape."""
        batch, height, width, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)


def bounded(model: GanModel, layer: layers.Layer) -> layers.Layer:
    """Wrap a discriminator's layer in spectral normalisation where the settings ask for it."""
    return layers.SpectralNormalization(layer) if model.spectral_norm else layer


def generator_inputs(model: GanModel) -> tuple[Any, Any]:
    """Return the inputs noise float32[B,Z] and label int32[B]."""
    return keras.Input((model.latent_size,), name="noise"), keras.Input((), dtype="int32")


def discriminator_inputs(data: DataSettings) -> tuple[Any, Any]:
    """Return the inputs image float32[B,H,W,C] and label int32[B]."""
    return keras.Input(data.image_shape, name="image"), keras.Input((), dtype="int32")


def label_vector(label: Any, model: GanModel, data: DataSettings) -> Any:
    """Write labels int32[B] as float32[B,N] in the way `model.labels` says.

    `number` is the literature's simplest: the class index itself, as if 9 were three times 3.
    """
    if model.labels == "number":
        return ops.expand_dims(ops.cast(label, "float32"), -1)
    if model.labels == "embedding":
        return layers.Embedding(data.classes, EMBEDDING)(label)
    return ops.one_hot(label, data.classes)


def label_map(label: Any, model: GanModel, data: DataSettings, side: int) -> Any:
    """Write labels int32[B] as feature maps float32[B,side,side,N].

    `number` and `embedding` go through a dense layer to one map, `concatenation` is the one-hot
    vector repeated at every position.
    """
    vector = label_vector(label, model, data)
    if model.labels == "concatenation":
        return ops.tile(vector[:, None, None, :], (1, side, side, 1))
    return layers.Reshape((side, side, 1))(layers.Dense(side * side)(vector))


def to_image(x: Any, data: DataSettings, kernel: int = 3) -> Any:
    """Turn feature maps into float32[B,H,W,C] in [-1, 1].

    float32 also under mixed precision: tanh saturates too early in half precision.
    """
    channels = data.image_shape[2]
    return layers.Conv2D(channels, kernel, padding="same", activation="tanh", dtype="float32")(x)


def to_logits(x: Any, model: GanModel) -> Any:
    """Turn a vector per item into float32[B] logits."""
    out = bounded(model, layers.Dense(1, name="realism"))(x)
    return ops.cast(ops.squeeze(out, -1), "float32")


def projection(features: Any, label: Any, model: GanModel, data: DataSettings) -> Any:
    """Return <e_label, features>, float32[B] (Miyato and Koyama 2018, eq. 3, second term)."""
    table = layers.Dense(features.shape[-1], use_bias=False, name="class_embedding")
    match = bounded(model, table)(ops.one_hot(label, data.classes))
    return ops.cast(ops.sum(match * features, axis=-1), "float32")
