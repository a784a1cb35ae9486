"""The manifest of an Examples artifact: what was written, and the properties that say so."""

from __future__ import annotations

import hashlib
from typing import Any

from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.datasets.base import DatasetSpec

FINGERPRINT_BITS = 128


def sum_up(
    spec: DatasetSpec, expressions: dict[str, str], shards: list[dict[str, Any]]
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
        "label_names": list(spec.label_names),
        "splits": splits,
        "fingerprint": hashlib.blake2b(lines.encode(), digest_size=16).hexdigest(),
    }


def describe(examples: Any, manifest: dict[str, Any]) -> None:
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
