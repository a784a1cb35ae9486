"""What a discriminator sees of a whole group of images: how much they differ."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("genvision")
class MinibatchDeviation(layers.Layer):
    """Appends how much neighbouring items of a batch differ, as one more feature map.

    The standard deviation over each group of consecutive items, averaged over positions and
    channels (Karras et al. 2018, sec. 3): a generator that draws too few kinds of image is told by
    it where every single image looks right. Groups are consecutive, so that real and generated
    images that share a batch do not share a group.
    """

    def __init__(self, group: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group

    def get_config(self) -> dict[str, Any]:
        """Return what makes it again."""
        return {**super().get_config(), "group": self.group}

    def call(self, inputs: Any) -> Any:
        """Map float32[B,H,W,C] to float32[B,H,W,C+1]; B is a multiple of the group."""
        _, height, width, channels = inputs.shape
        groups = ops.reshape(inputs, (-1, self.group, height, width, channels))
        # Not ops.std: its gradient is infinite where all items are equal.
        deviation = ops.sqrt(ops.var(groups, axis=1) + 1e-8)
        each = ops.repeat(ops.mean(deviation, axis=(1, 2, 3)), self.group)
        extra = each[:, None, None, None] * ops.ones_like(inputs[..., :1])
        return ops.concatenate([inputs, extra], axis=-1)
