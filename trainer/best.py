"""Which validation was best so far, and whether it is time to stop early."""

from __future__ import annotations

import math

import tensorflow as tf


class Best(tf.Module):
    """The best figure of a training on held-out data; lower is better.

    Part of every checkpoint, so a resumed training remembers it.
    """

    def __init__(self) -> None:
        super().__init__(name="best")
        self.value = tf.Variable(math.inf, dtype=tf.float64, trainable=False)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.without_better = tf.Variable(0, dtype=tf.int64, trainable=False)

    def note(self, step: int, value: float) -> bool:
        """Take notice of a validation; say whether it is the best so far."""
        if value >= float(self.value.numpy()):
            self.without_better.assign_add(1)
            return False
        self.value.assign(value)
        self.step.assign(step)
        self.without_better.assign(0)
        return True

    def given_up(self, patience: int) -> bool:
        """Say whether `patience` validations in a row brought nothing better; 0: never."""
        return 0 < patience <= int(self.without_better.numpy())
