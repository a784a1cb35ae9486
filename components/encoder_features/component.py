"""EncoderFeatures: adds to every example what a frozen encoder sees, once for all epochs."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.encoder_features import executor


class EncoderFeaturesSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "extractor": component_spec.ExecutionParameter(type=str),
        "settings": component_spec.ExecutionParameter(type=str),
        "weights": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    OUTPUTS = {"featured": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class EncoderFeatures(base_beam_component.BaseBeamComponent):
    """Copies examples and adds the feature `trainer.features.GRID`; order and shards stay."""

    SPEC_CLASS = EncoderFeaturesSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self, examples: types.BaseChannel, extractor: str, settings: str, weights: str = ""
    ) -> None:
        """Construct the component.

        Args:
          examples: Channel of `Examples` with encoded images.
          extractor: "module:Class"; an instance of the class is made from `settings` in every
            worker, turns encoded images into encoded features and has a `digest` of its weights.
          settings: What the extractor is made from, JSON.
          weights: Fingerprint of a weights file, so that new weights run the node again.
        """
        spec = EncoderFeaturesSpec(
            extractor=extractor,
            settings=settings,
            weights=weights,
            examples=examples,
            featured=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
