"""Runs an evaluation as a TFX node: artifacts in, evaluation, report and blessing out."""

from __future__ import annotations

import posixpath
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.evaluator import blessing, tasks
from components.evaluator.settings import parse

SCRATCH = ".scratch"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Scores the model in Beam, decides, and writes what the decision rests on."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluate.

        Args:
          input_dict: `model`, `examples`; perhaps `reference`, `baseline_model`, `model_run`.
          output_dict: `evaluation` and `blessing`.
          exec_properties: `settings` (JSON for `settings.parse`).

        Raises:
          UserError: Settings, data or extractor do not fit. What is wrong with the model is no
            error: it is NOT BLESSED, with the reason.
        """
        settings = parse(exec_properties["settings"])
        task = tasks.of(settings)
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline_model") or []), None)
        reference = next(iter(input_dict.get("reference") or []), None)
        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        result = task.evaluate.evaluate(
            _saved_model(model),
            artifact_utils.get_single_uri(input_dict["examples"]),
            settings,
            self._make_beam_pipeline,
            posixpath.join(evaluation.uri, SCRATCH),
            reference.uri if reference else None,
            _saved_model(baseline) if baseline else None,
        )
        runs = input_dict.get("model_run") or []
        task.report.write(result, evaluation.uri, [run.uri for run in runs])
        for key, value in task.report.properties(result).items():
            evaluation.set_string_custom_property(key, value)
        blessing.write(
            artifact_utils.get_single_instance(output_dict["blessing"]),
            result.verdict,
            model,
            baseline if result.baseline else None,
            exec_properties.get("current_component_id"),
        )


def _saved_model(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
