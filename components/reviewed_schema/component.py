"""ReviewedSchema: like TFX's ImportSchemaGen, but an edited schema is noticed."""

from __future__ import annotations

import hashlib

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import datasets
from components.reviewed_schema import executor


class ReviewedSchemaSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        # TFX reuses results by parameters: by the schema's content, not by where it lies.
        "digest": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {"schema": component_spec.ChannelParameter(type=standard_artifacts.Schema)}


class ReviewedSchema(base_component.BaseComponent):
    """Publishes the schema of a data set that people have reviewed."""

    SPEC_CLASS = ReviewedSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, dataset: str) -> None:
        """Construct the component.

        Args:
          dataset: Name in `components.datasets.DATASETS`.

        Raises:
          UserError: No data set has this name.
        """
        content = datasets.get(dataset).schema_file.read_bytes()
        super().__init__(
            spec=ReviewedSchemaSpec(
                dataset=dataset,
                digest=hashlib.sha256(content).hexdigest()[:16],
                schema=types.Channel(type=standard_artifacts.Schema),
            )
        )
