"""Runs DataCheck: one Beam pass over all splits, then a report or a stopped run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components import collect, datasets
from components.data_check.record import problems
from trainer.errors import UserError

REPORT = "report.json"
ANOMALIES_FILE = "SchemaDiff.pb"
RECORD = ""
"""Feature of the pseudo-violation that counts the records themselves."""


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes `report.json`, or raises with every violation named."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Check the examples; see `DataCheck` for the inputs.

        Raises:
          UserError: A record or a statistic is not as promised.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        report = artifact_utils.get_single_instance(output_dict["report"])
        spec = datasets.get(exec_properties["dataset"])

        tf.io.gfile.makedirs(report.uri)
        counts = self._count(spec, examples, f"{report.uri}/counts.json")
        lines = violations(counts, _read_anomalies(anomalies))
        if lines:
            raise UserError(f"data check failed for dataset '{spec.name}': {'; '.join(lines)}")
        records = {split: count for split, feature, _, count, _ in counts if feature == RECORD}
        with tf.io.gfile.GFile(f"{report.uri}/{REPORT}", "w") as file:
            content = {"dataset": spec.name, "records": records, "violations": lines}
            file.write(json.dumps(content, indent=2, sort_keys=True) + "\n")

    def _count(self, spec: datasets.DatasetSpec, examples: Any, path: str) -> list[Any]:
        """Return (split, feature, what, count, smallest id) of everything seen, sorted."""
        with self._make_beam_pipeline() as pipeline:
            splits = []
            for split in artifact_utils.decode_split_names(examples.split_names):
                (pattern,) = examples_utils.get_split_file_patterns([examples], split)
                splits.append(
                    pipeline
                    | f"Read[{split}]" >> beam.io.ReadFromTFRecord(pattern)
                    | f"Check[{split}]" >> beam.FlatMap(_judge, spec, split)
                )
            counts = (
                splits
                | "Join" >> beam.Flatten()
                | "Count" >> beam.CombinePerKey(_CountAndFirst())
                | "Row" >> beam.MapTuple(lambda key, value: [*key, *value])
            )
            collect.write_json(counts, path)
        return sorted(collect.read_json(path))


def violations(counts: list[Any], anomalies: dict[tuple[str, str], str]) -> list[str]:
    """Word every violation for a person.

    Args:
      counts: Rows (split, feature, what, count, id) of the per-record pass, sorted.
      anomalies: (split, feature) -> description, from ExampleValidator.

    Returns:
      One phrase per violation. Where the per-record pass found something wrong with a feature too,
      its exact counts replace the statistics' description.
    """
    records = {split: count for split, feature, _, count, _ in counts if feature == RECORD}
    lines, counted = [], set()
    for split, feature, what, count, first in counts:
        if feature != RECORD:
            counted.add((split, feature))
            lines.append(
                f"{feature} ({split}): {count:,} of {records[split]:,} {what}, for example {first}"
            )
    for (split, feature), description in sorted(anomalies.items()):
        if (split, feature) not in counted:
            lines.append(f"{feature} ({split}): {description}")
    return lines


def _judge(
    payload: bytes, spec: datasets.DatasetSpec, split: str
) -> Iterator[tuple[tuple[str, str, str], str]]:
    identity, found = problems(spec, payload)
    yield (split, RECORD, ""), identity
    for feature, what in found:
        yield (split, feature, what), identity


class _CountAndFirst(beam.CombineFn):
    """Counts, and keeps the smallest id: the same one whatever the order of the records."""

    def create_accumulator(self) -> tuple[int, str | None]:
        return 0, None

    def add_input(self, accumulator: tuple[int, str | None], element: str) -> tuple[int, str]:
        count, first = accumulator
        return count + 1, element if first is None else min(first, element)

    def merge_accumulators(self, accumulators: Any) -> tuple[int, str | None]:
        accumulators = list(accumulators)
        firsts = [first for _, first in accumulators if first is not None]
        return sum(count for count, _ in accumulators), min(firsts, default=None)

    def extract_output(self, accumulator: tuple[int, str | None]) -> tuple[int, str | None]:
        return accumulator


def _read_anomalies(artifact: Any) -> dict[tuple[str, str], str]:
    """Read ExampleValidator's findings: (split, feature) -> description."""
    found = {}
    for split in artifact_utils.decode_split_names(artifact.split_names):
        path = f"{artifact_utils.get_split_uri([artifact], split)}/{ANOMALIES_FILE}"
        with tf.io.gfile.GFile(path, "rb") as file:
            anomalies = anomalies_pb2.Anomalies.FromString(file.read())
        for feature, info in anomalies.anomaly_info.items():
            found[split, feature] = f"{info.short_description}: {info.description}".rstrip(": .")
        if anomalies.HasField("dataset_anomaly_info"):
            found[split, "all features"] = anomalies.dataset_anomaly_info.description
        if anomalies.data_missing:
            found[split, "all features"] = "no examples"
    return found
