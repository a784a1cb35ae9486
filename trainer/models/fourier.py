"""Convolutions of small grids with many channels, trained in far fewer multiplications.

A convolution is a product of polynomials, and a product is one multiplication per value once both
are known by their values at enough points: y = C [(A x) * (B w)], A, B and C being fixed matrices.
At roots of unity, as here, they lose no precision worth naming (a Fourier transform; Vasilache et
al. 2015, arXiv:1412.7580); each complex product takes three real ones (Gauss).

A 5x5 kernel over 7x7 pixels asks for 121 multiplications per pair of channels in place of 841. The
transforms cost more the larger the grid and are repaid by channels and by the batch, so `pays` says
where they are used: not on large grids, outside training or on a GPU, where cuDNN has ways its own.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

GRID, KERNEL, CHANNELS = 8, 5, 32
"""Largest grid, smallest kernel and fewest channels that gain, on two cores with AVX-512."""


@functools.cache
def bilinear(side: int, taps: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A, B, C of y[q] = sum_t x[q - t] w[t] over a square, zeros beyond its border.

    Args:
      side: Of the grid of x and of y, S.
      taps: Offsets t of w along either axis, T of them.

    Returns:
      float64[P,S*S], float64[P,T*T], float64[S*S,P]; P is about 1.5 (S + max |t|)^2.
    """
    period = side + max(map(abs, taps))  # what leaves the grid must not come in at the other end

    def values(places: Any, u: int, v: int) -> np.ndarray:
        rows, columns = (np.exp(-2j * np.pi * f * np.asarray(places) / period) for f in (u, v))
        return np.outer(rows, columns).ravel()

    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for u, v in np.ndindex(period, period):
        twin = (-u % period, -v % period)  # has the conjugate value, as everything else is real
        if twin < (u, v):
            continue
        x, w = values(range(side), u, v), values(taps, u, v)
        y = np.conj(x) / period**2
        if twin == (u, v):
            products = [(x.real, w.real, y.real)]
        else:
            products = [
                (x.real + x.imag, w.real, 2 * (y.real - y.imag)),
                (x.real, w.imag - w.real, -2 * y.imag),
                (x.imag, w.real + w.imag, -2 * y.real),
            ]
        for part, rows in zip(parts, zip(*products, strict=True), strict=True):
            part.extend(rows)
    a, b, c = map(np.array, parts)
    return a, b, c.T


def convolve(x: Any, w: Any, side: int, taps: tuple[int, ...]) -> Any:
    """Convolve [S*S,N,I] with [T*T,O,I], grid first: [S*S,N,O]."""
    a, b, c = (tf.constant(matrix, x.dtype) for matrix in bilinear(side, taps))
    points, (inside, outside) = a.shape[0], (w.shape[2], w.shape[1])
    x_values = tf.reshape(a @ tf.reshape(x, [side * side, -1]), [points, -1, inside])
    w_values = tf.reshape(b @ tf.reshape(w, [len(taps) ** 2, -1]), [points, outside, inside])
    y_values = tf.matmul(x_values, w_values, transpose_b=True)
    return tf.reshape(c @ tf.reshape(y_values, [points, -1]), [side * side, -1, outside])


def pays(layer: Any, grid: tuple[int, int], channels: int) -> bool:
    """Say whether `layer` gains by it on the grid (height, width) that is the smaller of its two.

    Args:
      layer: A convolution or a transposed one.
      grid: Of a strided convolution its output, of a transposed one its input.
      channels: Of its input.
    """
    alike = all(len(set(each)) == 1 for each in (grid, layer.kernel_size, layer.strides))
    plain = layer.padding == "same" and set(layer.dilation_rate) == {1}
    much = layer.kernel_size[0] >= KERNEL and min(channels, layer.filters) >= CHANNELS
    full = layer.compute_dtype == "float32" and not tf.config.list_physical_devices("GPU")
    return alike and plain and max(grid) <= GRID and much and full


def phases(kernel: Any, stride: int) -> tuple[Any, tuple[int, ...]]:
    """Split a kernel by what falls on one pixel of the small grid.

    The large grid has the pixels s*q + a; the tap k of "same" padding joins pixels that lie
    k - (K - s) // 2 apart, which is s*d + a for one pair of d and phase a.

    Args:
      kernel: [K,K,I,O].
      stride: s.

    Returns:
      [D,D,s,s,I,O], offset d first and phase a second, and the offsets d.
    """
    size, before = kernel.shape[0], max(0, (kernel.shape[0] - stride) // 2)
    first = -((stride - 1 + before) // stride)
    front = -(stride * first + before)
    count = -(-(size + front) // stride)
    back = stride * count - size - front
    padded = tf.pad(kernel, [[front, back], [front, back], [0, 0], [0, 0]])
    split = tf.reshape(padded, [count, stride, count, stride, *kernel.shape[2:]])
    return tf.transpose(split, [0, 2, 1, 3, 4, 5]), tuple(range(first, first + count))


@keras.saving.register_keras_serializable("genvision")
class FourierConv2D(layers.Conv2D):
    """`Conv2D`, the same weights and the same result within rounding."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Map [B,H,W,I] to [B,H/s,W/s,O]."""
        stride, (height, width, depth) = self.strides[0], inputs.shape[1:]
        side, deep = height // stride, stride * stride * depth
        whole = height % stride == 0  # else "same" pads another way than `phases` says
        if not (training and whole and pays(self, (side, width // stride), depth)):
            return super().call(inputs)
        w, offsets = phases(self.kernel, stride)
        w = tf.reshape(tf.transpose(w, [0, 1, 5, 2, 3, 4]), [len(offsets) ** 2, -1, deep])
        x = tf.reshape(inputs, [-1, side, stride, side, stride, depth])
        x = tf.reshape(tf.transpose(x, [1, 3, 0, 2, 4, 5]), [side * side, -1, deep])
        y = convolve(x, w, side, tuple(-offset for offset in offsets))
        y = tf.reshape(tf.transpose(y, [1, 0, 2]), [-1, side, side, self.filters])
        return self.activation(y + self.bias if self.use_bias else y)


@keras.saving.register_keras_serializable("genvision")
class FourierConv2DTranspose(layers.Conv2DTranspose):
    """`Conv2DTranspose`, the same weights and the same result within rounding."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Map [B,H,W,I] to [B,s*H,s*W,O]."""
        stride, (side, width, depth) = self.strides[0], inputs.shape[1:]
        if not (training and pays(self, (side, width), depth)):
            return super().call(inputs)
        w, offsets = phases(self.kernel, stride)
        w = tf.reshape(w, [len(offsets) ** 2, stride * stride * self.filters, depth])
        x = tf.reshape(tf.transpose(inputs, [1, 2, 0, 3]), [side * side, -1, depth])
        y = tf.reshape(
            convolve(x, w, side, offsets), [side, side, -1, stride, stride, self.filters]
        )
        y = tf.transpose(y, [2, 0, 3, 1, 4, 5])
        y = tf.reshape(y, [-1, side * stride, side * stride, self.filters])
        return self.activation(y + self.bias if self.use_bias else y)
