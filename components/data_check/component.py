"""DataCheck: the node behind ExampleValidator that turns bad data into a stopped run."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact, component_spec, standard_artifacts

from components import datasets
from components.data_check import executor


class DataReport(artifact.Artifact):
    """`report.json`: per split the records read and every violation found (none, if it exists)."""

    TYPE_NAME = "DataReport"


class DataCheckSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {"dataset": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
    }
    OUTPUTS = {"report": component_spec.ChannelParameter(type=DataReport)}


class DataCheck(base_beam_component.BaseBeamComponent):
    """Checks every record against the data set's spec, and ExampleValidator's anomalies.

    Nodes that must not run on bad data name this one with `add_upstream_node` or read `report`.
    """

    SPEC_CLASS = DataCheckSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self, dataset: str, examples: types.BaseChannel, anomalies: types.BaseChannel
    ) -> None:
        """Construct the component.

        Args:
          dataset: Name in `components.datasets.DATASETS`.
          examples: Channel of `Examples`, from TfdsExampleGen.
          anomalies: Channel of `ExampleAnomalies`, from ExampleValidator.

        Raises:
          UserError: No data set has this name.
        """
        datasets.get(dataset)
        spec = DataCheckSpec(
            dataset=dataset,
            examples=examples,
            anomalies=anomalies,
            report=types.Channel(type=DataReport),
        )
        super().__init__(spec=spec)
