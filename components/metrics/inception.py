"""The Inception network of published FID figures: pytorch-fid's layers, pooling and resize.

The names of the layers are those of the published weights file; shapes come from the file itself.
Three things differ from the usual Inception-v3: averages leave the padding out, the last block
pools by maximum, and there are 1,008 classes (Heusel et al., 2017; the 2015-12-05 network).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

SIDE = 299
"""Height and width that images are resized to."""

FEATURES = 2048
CLASSES = 1008
EPSILON = 1e-3
STEM = {
    "Conv2d_1a_3x3": (2, "VALID"),
    "Conv2d_2a_3x3": (1, "VALID"),
    "Conv2d_2b_3x3": (1, "SAME"),
    "Conv2d_3b_1x1": (1, "VALID"),
    "Conv2d_4a_3x3": (1, "VALID"),
}
"""Stride and padding of the first convolutions; a maximum follows the third and the last."""


class Inception(tf.Module):
    """uint8[B,H,W,1 or 3] -> features float32[B,2048] and class probabilities float32[B,1008]."""

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        """Take the weights over.

        Args:
          stored: Tensor by name as in the published file: convolutions [out,in,h,w] and their
            batch normalization, which is multiplied into them.

        Raises:
          KeyError: A tensor is missing.
          ValueError: A tensor has another shape than its layer.
        """
        super().__init__()
        names = [name.removesuffix(".conv.weight") for name in stored if ".conv.weight" in name]
        self._kernels = {name: _folded(stored, name) for name in names}
        self._last = (
            tf.constant(stored["fc.weight"].T, tf.float32),
            tf.constant(stored["fc.bias"], tf.float32),
        )
        run = tf.function(self._run, input_signature=[tf.TensorSpec([None] * 4, tf.uint8)])
        self._concrete = run.get_concrete_function()

    def __call__(self, images: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """Extract features and probabilities; grey images count as colour images."""
        return self._concrete(tf.constant(images))

    def _run(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.cast(images, tf.float32) / 255.0
        # Grey or colour: the same graph reads both, by broadcasting against three channels.
        x = x * tf.ones([3])
        x = tf.image.resize(x, (SIDE, SIDE), "bilinear", antialias=False)
        x = tf.ensure_shape(2 * x - 1, [None, SIDE, SIDE, 3])
        for name, (stride, padding) in STEM.items():
            x = self._conv(x, name, stride, padding)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._five(x, block)
        x = self._shrink_to_17(x, "Mixed_6a")
        for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._seven(x, block)
        x = self._shrink_to_8(x, "Mixed_7a")
        x = self._split(x, "Mixed_7b", tf.nn.avg_pool2d)
        x = self._split(x, "Mixed_7c", tf.nn.max_pool2d)
        features = tf.reduce_mean(x, axis=(1, 2))
        return features, tf.nn.softmax(features @ self._last[0] + self._last[1])

    def _conv(self, x: tf.Tensor, name: str, stride: int = 1, padding: str = "SAME") -> tf.Tensor:
        kernel, bias = self._kernels[name]
        return tf.nn.relu(tf.nn.conv2d(x, kernel, stride, padding) + bias)

    def _chain(self, x: tf.Tensor, block: str, *names: str) -> tf.Tensor:
        for name in names:
            x = self._conv(x, f"{block}.{name}")
        return x

    def _five(self, x: tf.Tensor, block: str) -> tf.Tensor:
        """35 x 35: 1x1, 5x5, two 3x3 and the pooled branch, side by side."""
        return tf.concat(
            [
                self._chain(x, block, "branch1x1"),
                self._chain(x, block, "branch5x5_1", "branch5x5_2"),
                self._chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
                self._chain(tf.nn.avg_pool2d(x, 3, 1, "SAME"), block, "branch_pool"),
            ],
            axis=-1,
        )

    def _shrink_to_17(self, x: tf.Tensor, block: str) -> tf.Tensor:
        double = self._chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
        return tf.concat(
            [
                self._conv(x, f"{block}.branch3x3", 2, "VALID"),
                self._conv(double, f"{block}.branch3x3dbl_3", 2, "VALID"),
                tf.nn.max_pool2d(x, 3, 2, "VALID"),
            ],
            axis=-1,
        )

    def _seven(self, x: tf.Tensor, block: str) -> tf.Tensor:
        """17 x 17: 1x7 and 7x1 one after the other instead of 7x7."""
        single = [f"branch7x7_{number}" for number in (1, 2, 3)]
        double = [f"branch7x7dbl_{number}" for number in (1, 2, 3, 4, 5)]
        return tf.concat(
            [
                self._chain(x, block, "branch1x1"),
                self._chain(x, block, *single),
                self._chain(x, block, *double),
                self._chain(tf.nn.avg_pool2d(x, 3, 1, "SAME"), block, "branch_pool"),
            ],
            axis=-1,
        )

    def _shrink_to_8(self, x: tf.Tensor, block: str) -> tf.Tensor:
        single = self._chain(x, block, "branch3x3_1")
        seven = self._chain(x, block, "branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3")
        return tf.concat(
            [
                self._conv(single, f"{block}.branch3x3_2", 2, "VALID"),
                self._conv(seven, f"{block}.branch7x7x3_4", 2, "VALID"),
                tf.nn.max_pool2d(x, 3, 2, "VALID"),
            ],
            axis=-1,
        )

    def _split(self, x: tf.Tensor, block: str, pool: Callable[..., tf.Tensor]) -> tf.Tensor:
        """8 x 8: 1x3 beside 3x1, once after 1x1 and once after 3x3."""
        single = self._chain(x, block, "branch3x3_1")
        double = self._chain(x, block, "branch3x3dbl_1", "branch3x3dbl_2")
        return tf.concat(
            [
                self._chain(x, block, "branch1x1"),
                self._chain(single, block, "branch3x3_2a"),
                self._chain(single, block, "branch3x3_2b"),
                self._chain(double, block, "branch3x3dbl_3a"),
                self._chain(double, block, "branch3x3dbl_3b"),
                self._chain(pool(x, 3, 1, "SAME"), block, "branch_pool"),
            ],
            axis=-1,
        )


def _folded(stored: Mapping[str, np.ndarray], name: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Return kernel [h,w,in,out] and bias [out] that do convolution and normalization at once."""
    kernel = stored[f"{name}.conv.weight"].astype(np.float64)
    gain, shift, mean, variance = (
        stored[f"{name}.bn.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / np.sqrt(variance + EPSILON)
    folded = (kernel * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    return tf.constant(folded, tf.float32), tf.constant(shift - mean * scale, tf.float32)
