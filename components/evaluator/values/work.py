"""What Beam workers do with a generator of numbers, and how stored numbers are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from apache_beam.utils.shared import Shared

from components import collect
from components.evaluator.contract import ContractError
from components.evaluator.examples import Stored
from components.evaluator.values.contract import NumberGenerator
from trainer.features import LABEL, VALUE

FAULTS = "faults"
ROWS, FAULTS_FILE = "rows.json", "faults.json"


class Sample(beam.DoFn):
    """Generates the numbers of a range of seeds; what the model does wrong goes to `FAULTS`."""

    def __init__(self, model_path: str, classes: int) -> None:
        self._path, self._classes, self._shared = model_path, classes, Shared()

    def setup(self) -> None:
        """Load the model, once per process."""
        self._model = self._shared.acquire(lambda: NumberGenerator(self._path))

    def process(self, seeds: tuple[int, int]) -> Iterator[Any]:
        """Yield (first seed, labels, numbers) of the seeds from first to last, that excluded."""
        ids = np.arange(*seeds, dtype=np.int64)
        labels = self._model.labels(ids, self._classes)
        try:
            values = self._model(ids, labels)
        except ContractError as fault:
            yield beam.pvalue.TaggedOutput(FAULTS, str(fault))
            return
        yield seeds[0], labels.tolist(), values[:, 0].tolist()


def sample(pipeline: Any, model_path: str, classes: int, ranges: list[Any], folder: str) -> None:
    """Add to a pipeline: generate `ranges` of seeds, write rows and faults into `folder`."""
    found = (
        pipeline
        | "Seeds" >> beam.Create(ranges, reshuffle=True)
        | "Generate" >> beam.ParDo(Sample(model_path, classes)).with_outputs(FAULTS, main="rows")
    )
    collect.write_json(found.rows, f"{folder}/{ROWS}")
    collect.write_json(found[FAULTS], f"{folder}/{FAULTS_FILE}")


def read_split(stored: Stored, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a split, float64[N], and their classes, int64[N] (zeros without any).

    Raises:
      UserError: No such split.
    """
    features = {
        VALUE: tf.io.FixedLenFeature((), tf.float32),
        LABEL: tf.io.FixedLenFeature((), tf.int64, 0),
    }
    records = tf.data.TFRecordDataset(stored.files(split), "GZIP").batch(1000)
    parsed = list(records.map(lambda r: tf.io.parse_example(r, features)).as_numpy_iterator())
    return (
        np.concatenate([batch[VALUE] for batch in parsed]).astype(np.float64),
        np.concatenate([batch[LABEL] for batch in parsed]),
    )
