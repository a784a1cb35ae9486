"""GenerativeEvaluator: scores a model by its signatures, and blesses it or says why not."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.evaluator import executor
from components.evaluator.settings import parse
from components.reference.component import FeatureStatistics


class GenerativeEvaluatorSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        # Not "evaluation": that is the output's key, and keys must differ.
        "settings": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "reference": component_spec.ChannelParameter(type=FeatureStatistics, optional=True),
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
        "model_run": component_spec.ChannelParameter(
            type=standard_artifacts.ModelRun, optional=True
        ),
    }
    OUTPUTS = {
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class GenerativeEvaluator(base_beam_component.BaseBeamComponent):
    """Asks a SavedModel in Beam workers for images or captions, scores, decides and reports."""

    SPEC_CLASS = GenerativeEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        evaluation: str,
        reference: types.BaseChannel | None = None,
        baseline_model: types.BaseChannel | None = None,
        model_run: types.BaseChannel | None = None,
    ) -> None:
        """Construct the component.

        Args:
          model: Candidate with the signature `generate`, or `caption` and `score`.
          examples: Examples of TfdsExampleGen with the splits named in `evaluation`.
          evaluation: JSON of `settings.Evaluation` or, for captions, `settings.CaptionEvaluation`.
          reference: For images: what ReferenceStatistics made of the same examples and settings.
          baseline_model: Model now deployed, for the relative checks; may resolve to nothing.
          model_run: Training output; a `metrics.jsonl` in it gives the report its curves.

        Raises:
          UserError: `evaluation` is not usable.
        """
        parse(evaluation)
        spec = GenerativeEvaluatorSpec(
            model=model,
            examples=examples,
            settings=evaluation,
            reference=reference,
            baseline_model=baseline_model,
            model_run=model_run,
            evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
