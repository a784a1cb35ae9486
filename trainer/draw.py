"""Stateless random draws that do not depend on how a batch is shared among replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def normal(count: tf.Tensor, shape: list[int], seed: tf.Tensor) -> tf.Tensor:
    """Draw float32[count, *shape] of mean 0 and standard deviation 1.

    Args:
      count: Items of this replica's share of the batch, int32 scalar.
      shape: Shape of one item.
      seed: int[2]; equal seeds give equal draws.
    """
    return _share(tf.random.stateless_normal, count, shape, seed)


def uniform(
    count: tf.Tensor, shape: list[int], seed: tf.Tensor, low: Any = 0.0, high: Any = 1.0
) -> tf.Tensor:
    """Draw [count, *shape] from low to high (excluded), of `low`'s type."""
    dtype = tf.int32 if isinstance(low, int) else tf.float32

    def draw(size: Any, seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform(size, seed, low, high, dtype)

    return _share(draw, count, shape, seed)


def _share(
    draw: Callable[..., tf.Tensor], count: tf.Tensor, shape: list[int], seed: tf.Tensor
) -> tf.Tensor:
    """Draw for the whole batch on every replica and keep this replica's part."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return draw([count, *shape], seed)
    whole = draw([count * context.num_replicas_in_sync, *shape], seed)
    first = context.replica_id_in_sync_group * count
    return whole[first : first + count]
