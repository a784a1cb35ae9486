"""The machine as the settings want it: replicas, precision, determinism, GPU memory."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from trainer.errors import UserError
from trainer.settings import LoopSettings


@contextlib.contextmanager
def prepared(train: LoopSettings) -> Iterator[tf.distribute.Strategy]:
    """Build and train networks inside this context.

    Yields:
      The strategy in whose scope the block runs: one device, or all of them under
      `train.mirrored`.

    Raises:
      UserError: Switches that exclude each other, or a batch that replicas cannot share evenly.
    """
    _grow_gpu_memory()
    strategy = tf.distribute.MirroredStrategy() if train.mirrored else tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if train.mirrored and train.jit:
        raise UserError(
            "train.mirrored and train.jit are both true: XLA cannot compile a step that sums over "
            "replicas; set one of them to false"
        )
    if train.batch_size % replicas:
        raise UserError(
            f"train.batch_size is {train.batch_size} and train.mirrored shares it among "
            f"{replicas} devices: give a multiple of {replicas}"
        )
    policy = keras.mixed_precision.dtype_policy()
    if train.mixed_precision:
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    if train.deterministic:
        tf.config.experimental.enable_op_determinism()
    try:
        with strategy.scope():
            yield strategy
    finally:
        keras.mixed_precision.set_dtype_policy(policy)


def on_replicas(step: Callable[..., Any], *batch: Any) -> Any:
    """Run `step` on every replica with its share of the batch; return the mean of its tensors."""
    strategy = tf.distribute.get_strategy()
    results = strategy.run(step, args=batch)
    mean = lambda value: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None)  # noqa: E731
    return tf.nest.map_structure(mean, results)


def batches(dataset: tf.data.Dataset) -> Iterator[Any]:
    """Iterate over global batches, each shared evenly among the replicas."""
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync > 1:
        dataset = strategy.experimental_distribute_dataset(dataset)
    return iter(dataset)


def replica() -> tuple[tf.Tensor | int, int]:
    """Return this replica's number and the number of replicas; call inside `on_replicas`."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


def _grow_gpu_memory() -> None:
    """Let GPU memory grow as needed: other processes of the pipeline may share the card."""
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:  # already in use: its setting stays as it is
            logging.info("%s is in use already; its memory setting stays", gpu.name)
