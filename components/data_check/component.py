"""DataCheck: the node behind ExampleValidator that turns bad data into a stopped run."""

from __future__ import annotations

import dataclasses
import json

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact, component_spec, standard_artifacts

from components import datasets
from components.data_check import executor
from components.data_check.settings import Checks
from components.datasets.base import Source


class DataReport(artifact.Artifact):
    """`report.json`: records, statistics and anomalies; `quarantine/`: corrupt records, if any."""

    TYPE_NAME = "DataReport"


class DataCheckSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        "source": component_spec.ExecutionParameter(type=str),
        "checks": component_spec.ExecutionParameter(type=str),
        "state_dir": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {
        "checked": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "report": component_spec.ChannelParameter(type=DataReport),
    }


class DataCheck(base_beam_component.BaseBeamComponent):
    """Judges every record, set and split; nodes that learn from data read what it `checked`."""

    SPEC_CLASS = DataCheckSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        dataset: str,
        examples: types.BaseChannel,
        anomalies: types.BaseChannel,
        state_dir: str,
        source: Source | None = None,
        checks: Checks | None = None,
    ) -> None:
        """Construct the component.

        Args:
          dataset: Name in `components.datasets.DATASETS`.
          examples: Channel of `Examples`, from TfdsExampleGen.
          anomalies: Channel of `ExampleAnomalies`, from ExampleValidator.
          state_dir: Folder that outlives single runs: the statistics last accepted, and what was
            rejected when a run was stopped.
          source: Where the records come from, as for TfdsExampleGen.
          checks: Bounds, and what stops a run; None for the defaults.

        Raises:
          UserError: No data set has this name.
        """
        datasets.get(dataset)
        spec = DataCheckSpec(
            dataset=dataset,
            source=json.dumps(dataclasses.asdict(source or Source())),
            checks=(checks or Checks()).model_dump_json(),
            state_dir=state_dir,
            examples=examples,
            anomalies=anomalies,
            checked=types.Channel(type=standard_artifacts.Examples),
            report=types.Channel(type=DataReport),
        )
        super().__init__(spec=spec)
