"""Runs ReferenceStatistics: examples in, features and the real data's own scores out."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils

from components.reference import measure
from components.reference.settings import ReferenceSettings


class Executor(base_beam_executor.BaseBeamExecutor):
    """Extracts in Beam."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Extract; see `ReferenceStatistics` for the parameters.

        Raises:
          UserError: Data and extractor do not fit, or there are too few images.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        artifact = artifact_utils.get_single_instance(output_dict["reference"])
        found = measure.measure(
            artifact_utils.get_single_uri(input_dict["examples"]),
            ReferenceSettings.model_validate_json(exec_properties["settings"]),
            self._make_beam_pipeline,
            artifact.uri,
        )
        artifact.set_string_custom_property("extractor_fingerprint", found.extractor)
        artifact.set_string_custom_property("data_fingerprint", found.data)
