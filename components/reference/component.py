"""ReferenceStatistics: the node that looks at the real data before any model is judged."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact, component_spec, standard_artifacts

from components.metrics import extractors
from components.reference import executor
from components.reference.settings import ReferenceSettings


class FeatureStatistics(artifact.Artifact):
    """`split-*.npz`: features and their statistics; `distances.npz`; `reference.json`: scores."""

    TYPE_NAME = "FeatureStatistics"


class ReferenceStatisticsSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "settings": component_spec.ExecutionParameter(type=str),
        "weights": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"reference": component_spec.ChannelParameter(type=FeatureStatistics)}


class ReferenceStatistics(base_beam_component.BaseBeamComponent):
    """Extracts held-out and training data once; every model on the same data is held against it."""

    SPEC_CLASS = ReferenceStatisticsSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(self, examples: types.BaseChannel, settings: ReferenceSettings) -> None:
        """Construct the component.

        Args:
          examples: Examples of TfdsExampleGen with the splits named in `settings`.
          settings: Which data, which extractor, how many.

        Raises:
          UserError: There is no such extractor.
        """
        spec = ReferenceStatisticsSpec(
            examples=examples,
            settings=settings.model_dump_json(),
            weights=extractors.identity(settings.extractor),
            reference=types.Channel(type=FeatureStatistics),
        )
        super().__init__(spec=spec)
