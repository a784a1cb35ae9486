"""The small classifier behind every domain extractor: 3x3 blocks, pooled features, classes."""

from __future__ import annotations

# Not tf.keras: TensorFlow Transform switches that to Keras 2 for its process and all children.
import keras
import numpy as np

FEATURES = "features"


def classifier(
    image_shape: tuple[int, int, int], classes: int, width: int, stages: int
) -> tuple[keras.Model, keras.Model]:
    """Build the network without trained weights.

    Args:
      image_shape: (height, width, channels) of its images.
      classes: Number of classes K.
      width: Feature maps of the first stage; every further stage has twice as many.
      stages: Number of stages: two blocks each, of which the second halves the side.

    Returns:
      The model float32[B,H,W,C] in [0, 1] -> logits float32[B,K], and the model of the same layers
      -> (features float32[B,D], the last convolution averaged over positions, and logits), where
      D = `width` * 2^(`stages` - 1).
    """
    image = keras.Input(image_shape)
    x = image
    for number in range(2 * stages):
        maps, stride = width * 2 ** (number // 2), 1 + number % 2
        x = keras.layers.Conv2D(
            maps, 3, stride, padding="same", use_bias=False, name=f"conv_{number}"
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{number}")(x)
        x = keras.layers.ReLU()(x)
    features = keras.layers.GlobalAveragePooling2D(name=FEATURES)(x)
    hidden = keras.layers.Dropout(0.3, seed=1)(features)
    logits = keras.layers.Dense(classes, name="logits")(hidden)
    return keras.Model(image, logits), keras.Model(image, [features, logits])


def weights(model: keras.Model) -> dict[str, np.ndarray]:
    """Return all weights by "layer/weight", as float16 (relative rounding below 0.05 %)."""
    return {
        f"{layer.name}/{weight.name}": weight.numpy().astype(np.float16)
        for layer in model.layers
        for weight in layer.weights
        if np.issubdtype(weight.numpy().dtype, np.floating)
    }


def set_weights(model: keras.Model, stored: dict[str, np.ndarray]) -> None:
    """Put stored weights into a model of the same shape.

    Raises:
      KeyError: A weight is missing.
      ValueError: A weight has another shape.
    """
    for layer in model.layers:
        for weight in layer.weights:
            if np.issubdtype(weight.numpy().dtype, np.floating):
                weight.assign(stored[f"{layer.name}/{weight.name}"].astype(np.float32))
