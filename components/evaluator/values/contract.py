"""What a generator of numbers must keep to: one finite number per seed, and always the same."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.evaluator.contract import ContractError, Generator


class NumberGenerator(Generator):
    """A SavedModel's signature `generate` with the output `value`, float32[B,1]."""

    output, dtype, rank = "value", tf.float32, 2
    because = "it must be float32"

    def __call__(self, seeds: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Generate float32[B,1] from int64[B] seeds and labels (ignored if unconditional).

        Raises:
          ContractError: It raises, or the result is not one finite number per seed.
        """
        values = super().__call__(seeds, labels)
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            row = bad.argmax()
            raise ContractError(f"the model answers seed {seeds[row]} with {values[row, 0]}")
        return values
