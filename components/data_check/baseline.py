"""What outlives a run of the data check: the statistics last accepted, and what was rejected."""

from __future__ import annotations

import json
import uuid

import tensorflow as tf

from components.data_check.summary import Summary


class Baseline:
    """A folder with `accepted-<dataset>.json` and `rejected-<dataset>/`.

    Not an artifact: were it one, every accepted run would be a new input of the next, and nothing
    behind it could ever be reused.
    """

    def __init__(self, folder: str, dataset: str) -> None:
        self._folder = folder
        self._accepted = f"{folder}/accepted-{dataset}.json"
        self._rejected = f"{folder}/rejected-{dataset}"

    def exists(self) -> bool:
        """Tell whether data of this data set were accepted before."""
        return bool(tf.io.gfile.exists(self._accepted))

    def read(self) -> dict[str, Summary]:
        """Return split -> statistics last accepted; empty if there are none."""
        if not self.exists():
            return {}
        with tf.io.gfile.GFile(self._accepted) as file:
            return {k: Summary.from_json(content) for k, content in json.load(file).items()}

    def accept(self, summaries: dict[str, Summary]) -> None:
        """Make these the statistics that later data are compared with."""
        tf.io.gfile.makedirs(self._folder)
        aside = f"{self._accepted}.{uuid.uuid4().hex}"
        with tf.io.gfile.GFile(aside, "w") as file:
            json.dump({split: s.to_json() for split, s in summaries.items()}, file)
        tf.io.gfile.rename(aside, self._accepted, overwrite=True)

    def keep_rejected(self, report: str) -> str:
        """Copy a report folder here, since TFX removes the outputs of a node that stops the run.

        Returns:
          The folder; what an earlier stopped run left there is replaced.
        """
        if tf.io.gfile.exists(self._rejected):
            tf.io.gfile.rmtree(self._rejected)
        for folder, _, names in tf.io.gfile.walk(report):
            target = folder.replace(report, self._rejected, 1)
            tf.io.gfile.makedirs(target)
            for name in names:
                tf.io.gfile.copy(f"{folder}/{name}", f"{target}/{name}")
        return self._rejected
