"""Brings a small result out of a Beam pipeline, whatever the runner and wherever it runs."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import apache_beam as beam
import tensorflow as tf


def write_json(results: Any, path: str) -> Any:
    """Write all elements of a small PCollection as one JSON list.

    Args:
      results: PCollection of JSON-serializable elements, small enough for one worker.
      path: File to write, on any file system that TensorFlow knows.

    Returns:
      The PCollection of the write.
    """
    name = posixpath.basename(path)  # tells several of one pipeline apart
    return (
        results
        | f"Gather[{name}]" >> beam.CombineGlobally(beam.combiners.ToListCombineFn())
        | f"Write[{name}]" >> beam.Map(_dump, path)
    )


def read_json(path: str) -> list[Any]:
    """Read what `write_json` wrote, and remove the file."""
    with tf.io.gfile.GFile(path) as file:
        found = json.load(file)
    tf.io.gfile.remove(path)
    return found


def _dump(elements: list[Any], path: str) -> None:
    with tf.io.gfile.GFile(path, "w") as file:
        json.dump(elements, file)
