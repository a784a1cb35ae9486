"""Approval: the node that waits for a person before a blessed model is pushed."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.approval import executor
from components.approval.settings import Approve


class ApprovalSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "settings": component_spec.ExecutionParameter(type=str),
        "folder": component_spec.ExecutionParameter(type=str),
        "recipe": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "model_blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing),
    }
    OUTPUTS = {"blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing)}


class Approval(base_component.BaseComponent):
    """Blesses what gate and serving check blessed, once a person has approved it."""

    SPEC_CLASS = ApprovalSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        evaluation: types.BaseChannel,
        model_blessing: types.BaseChannel,
        infra_blessing: types.BaseChannel,
        settings: Approve,
        folder: str,
        recipe: str,
    ) -> None:
        """Construct the component.

        Args:
          model: The candidate.
          evaluation: What the evaluator wrote about it.
          model_blessing: The gate's blessing.
          infra_blessing: The serving check's blessing.
          settings: How long to wait, and whether signatures are asked for.
          folder: Where `genvision approve` leaves decisions; seen by both.
          recipe: Name of the run, for the line that asks for the approval.
        """
        spec = ApprovalSpec(
            settings=settings.model_dump_json(),
            folder=folder,
            recipe=recipe,
            model=model,
            evaluation=evaluation,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
