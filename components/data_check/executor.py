"""Runs DataCheck: one Beam pass over all splits, then checked examples or a stopped run."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components import datasets
from components.data_check import measure, verdict
from components.data_check.baseline import Baseline
from components.data_check.settings import Checks
from components.data_check.shard import SCRATCH
from components.datasets.base import Source
from components.example_gen.manifest import describe
from trainer.errors import UserError
from trainer.features import MANIFEST

REPORT = "report.json"
ANOMALIES_FILE = "SchemaDiff.pb"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Writes checked examples and `report.json`, or raises with every anomaly named."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Check the examples; see `DataCheck` for the parameters.

        Raises:
          UserError: The data have an anomaly that the recipe does not put up with.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        checked = artifact_utils.get_single_instance(output_dict["checked"])
        report = artifact_utils.get_single_instance(output_dict["report"])
        anomalies = artifact_utils.get_single_instance(input_dict["anomalies"])
        spec = datasets.resolve(
            exec_properties["dataset"], Source.from_json(exec_properties["source"])
        )
        checks = Checks.model_validate_json(exec_properties["checks"])
        baseline = Baseline(exec_properties["state_dir"], spec.name)

        with self._make_beam_pipeline() as pipeline:
            measure.build(pipeline, spec, examples, checked.uri, report.uri)
        measured = measure.collect(
            report.uri, artifact_utils.decode_split_names(examples.split_names)
        )
        found = verdict.anomalies(spec, measured, _read_anomalies(anomalies), baseline, checks)
        stopping = [one for one in found if one.kind in checks.stop_on and not one.tolerated]
        _write_report(f"{report.uri}/{REPORT}", spec, measured, found, stopping, baseline)
        for uri in (checked.uri, report.uri):
            if tf.io.gfile.exists(f"{uri}/{SCRATCH}"):
                tf.io.gfile.rmtree(f"{uri}/{SCRATCH}")
        if stopping:
            where = baseline.keep_rejected(report.uri)
            lines = "; ".join(map(str, stopping))
            raise UserError(
                f"data check failed for dataset '{spec.name}': {lines}; the report and any "
                f"corrupt records are in {where}"
            )
        _describe_checked(examples, checked, measured)
        baseline.accept(measured.summaries)


def _write_report(
    path: str,
    spec: datasets.DatasetSpec,
    measured: measure.Measured,
    found: list[Any],
    stopping: list[Any],
    baseline: Baseline,
) -> None:
    content = {
        "dataset": spec.name,
        "accepted": not stopping,
        "records": measured.records(),
        "corrupt": measured.corrupt,
        "compared_with_accepted": baseline.exists(),
        "statistics": {split: s.figures() for split, s in measured.summaries.items()},
        "anomalies": [verdict.to_json(one, one in stopping) for one in found],
    }
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(content, indent=2, sort_keys=True) + "\n")


def _describe_checked(examples: Any, checked: Any, measured: measure.Measured) -> None:
    """Carry on what was said about the examples, without the records that were set aside."""
    with tf.io.gfile.GFile(f"{examples.uri}/{MANIFEST}") as file:
        manifest = json.load(file)
    for split, corrupt in measured.corrupt.items():
        counted = manifest["splits"][split]
        counted["records"] -= corrupt
        counted["set_aside"] = corrupt
        if corrupt:
            # Which records are gone follows from the records and from how many of them are.
            text = f"{manifest['fingerprint']} without {corrupt} of {split}"
            manifest["fingerprint"] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    with tf.io.gfile.GFile(f"{checked.uri}/{MANIFEST}", "w") as file:
        file.write(json.dumps(manifest, indent=2) + "\n")
    describe(checked, manifest)


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
