"""ServingCheck: the node that tries a model out in the embedded server."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.serving_check import executor


class ServingCheckSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "requests": component_spec.ExecutionParameter(type=int),
        # Not read: it makes TFX's cache key follow the server's code.
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {"model": component_spec.ChannelParameter(type=standard_artifacts.Model)}
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}


class ServingCheck(base_component.BaseComponent):
    """Serves the model in a process of its own and asks it over gRPC; blesses what answers well.

    The blessing follows the conventions of TFX's InfraValidator, so Pusher understands it.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, model: types.BaseChannel, requests: int = 20, code: str = "") -> None:
        """Construct the component.

        Args:
          model: Channel of `Model`, from Trainer.
          requests: Timed requests per signature and batch size.
          code: Fingerprint of the server's code; another one makes the check run again.
        """
        spec = ServingCheckSpec(
            requests=requests,
            code=code,
            model=model,
            blessing=types.Channel(type=standard_artifacts.InfraBlessing),
        )
        super().__init__(spec=spec)
