"""Runs TfdsExampleGen: plans the shards, lets Beam write them, records what was written."""

from __future__ import annotations

import json
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components import collect, datasets
from components.datasets.base import DatasetSpec, Source
from components.datasets.prepare import prepare
from components.example_gen.manifest import describe, sum_up
from components.example_gen.plan import Shard, make_plan
from components.example_gen.write import SCRATCH, WriteShard
from trainer.errors import UserError
from trainer.features import MANIFEST

SHARDS = "shards.json"
"""What was written, on its way from the workers to the manifest."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `Split-<name>/data_tfrecord-*.gz` and `manifest.json` into the Examples artifact."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Write the examples; see `TfdsExampleGen` for the parameters.

        Raises:
          UserError: The data cannot be had, or the splits cannot be; before Beam starts.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        spec = datasets.resolve(
            exec_properties["dataset"], Source.from_json(exec_properties.get("source") or "{}")
        )
        expressions: dict[str, str] = json.loads(exec_properties["splits"])
        info = prepare(spec, exec_properties["data_dir"]).info
        _check_format(info)
        plan = make_plan(
            info, expressions, exec_properties.get("limit"), exec_properties["num_shards"]
        )

        scratch = f"{examples.uri}/{SCRATCH}"
        tf.io.gfile.makedirs(scratch)
        with self._make_beam_pipeline() as pipeline:
            build(pipeline, spec, plan, examples.uri)
        manifest = sum_up(spec, expressions, collect.read_json(f"{scratch}/{SHARDS}"))
        tf.io.gfile.rmtree(scratch)
        with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}", "w") as file:
            file.write(json.dumps(manifest, indent=2) + "\n")
        describe(examples, manifest)


def build(pipeline: beam.Pipeline, spec: DatasetSpec, plan: list[Shard], uri: str) -> None:
    """Add the writing to a Beam pipeline.

    Args:
      pipeline: Where to add it.
      spec: The data set.
      plan: What to write, a shard per element.
      uri: Folder of the Examples artifact.
    """
    shards = (
        pipeline
        | "Plan" >> beam.Create(plan)
        | "Spread" >> beam.Reshuffle()
        | "WriteShard" >> beam.ParDo(WriteShard(spec, uri))
    )
    collect.write_json(shards, f"{uri}/{SCRATCH}/{SHARDS}")


def _check_format(info: Any) -> None:
    if info.file_format.value != "tfrecord":
        raise UserError(
            f"dataset '{info.name}' was prepared as {info.file_format.value} files: "
            f"prepare it as tfrecord (the default of tensorflow-datasets)"
        )
