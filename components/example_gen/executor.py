"""Runs TfdsExampleGen: plans the shards, lets Beam write them, records what was written."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components import collect, datasets
from components.datasets.prepare import prepare
from components.example_gen.plan import make_plan
from components.example_gen.write import SCRATCH, WriteShard
from trainer.errors import UserError
from trainer.features import MANIFEST

FINGERPRINT_BITS = 128


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
        spec = datasets.get(exec_properties["dataset"])
        expressions: dict[str, str] = json.loads(exec_properties["splits"])
        info = prepare(spec, exec_properties["data_dir"]).info
        _check_format(info)
        plan = make_plan(
            info, expressions, exec_properties.get("limit"), exec_properties["num_shards"]
        )

        scratch = f"{examples.uri}/{SCRATCH}"
        tf.io.gfile.makedirs(scratch)
        with self._make_beam_pipeline() as pipeline:
            shards = (
                pipeline
                | "Plan" >> beam.Create(plan)
                | "Spread" >> beam.Reshuffle()
                | "WriteShard" >> beam.ParDo(WriteShard(spec, examples.uri))
            )
            collect.write_json(shards, f"{scratch}/shards.json")
        manifest = _manifest(spec, expressions, collect.read_json(f"{scratch}/shards.json"))
        tf.io.gfile.rmtree(scratch)
        with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}", "w") as file:
            file.write(json.dumps(manifest, indent=2) + "\n")
        _describe(examples, manifest)


def _check_format(info: Any) -> None:
    if info.file_format.value != "tfrecord":
        raise UserError(
            f"dataset '{info.name}' was prepared as {info.file_format.value} files: "
            f"prepare it as tfrecord (the default of tensorflow-datasets)"
        )


def _manifest(
    spec: datasets.DatasetSpec, expressions: dict[str, str], shards: list[dict[str, Any]]
) -> dict[str, Any]:
    """Sum the shards up; a sum of hashes does not depend on the order or number of shards."""
    splits: dict[str, dict[str, Any]] = {}
    for split, expression in expressions.items():
        mine = [shard for shard in shards if shard["split"] == split]
        total = sum(int(shard["fingerprint"], 16) for shard in mine) % 2**FINGERPRINT_BITS
        splits[split] = {
            "expression": expression,
            "records": sum(shard["records"] for shard in mine),
            "bytes": sum(shard["bytes"] for shard in mine),
            "fingerprint": f"{total:032x}",
        }
    lines = "".join(f"{split} {splits[split]['fingerprint']}\n" for split in sorted(splits))
    return {
        "dataset": spec.name,
        "version": spec.version,
        "splits": splits,
        "fingerprint": hashlib.blake2b(lines.encode(), digest_size=16).hexdigest(),
    }


def _describe(examples: Any, manifest: dict[str, Any]) -> None:
    """Set the properties that TFX's own components and lineage readers look at."""
    examples.split_names = artifact_utils.encode_split_names(list(manifest["splits"]))
    examples.span = 0
    examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
    examples.set_string_custom_property("dataset", manifest["dataset"])
    examples.set_string_custom_property("dataset_version", manifest["version"])
    examples.set_string_custom_property("fingerprint", manifest["fingerprint"])
    for split, counted in manifest["splits"].items():
        examples.set_int_custom_property(f"records_{split}", counted["records"])
