"""Writes a verdict the way TFX's Pusher and resolvers read it."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.io import fileio

from components.evaluator.gate import Verdict

MESSAGE_LIMIT = 4000
"""Characters of the reasons kept in the metadata; the report has them all."""


def write(
    blessing: types.Artifact,
    verdict: Verdict,
    model: types.Artifact,
    baseline: types.Artifact | None,
    component_id: str | None,
) -> None:
    """Mark a `ModelBlessing` artifact: file BLESSED or NOT_BLESSED, and custom properties.

    Args:
      blessing: The output artifact; its folder is made if need be.
      verdict: What was decided.
      model: The candidate.
      baseline: The deployed model it was compared with, if any.
      component_id: Node that blesses; resolvers tell several evaluators apart by it.
    """
    name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    fileio.makedirs(blessing.uri)
    with fileio.open(f"{blessing.uri}/{name}", "w") as file:
        file.write("")
    texts: dict[str, Any] = {
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY: model.uri,
        constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY: "; ".join(verdict.reasons)[
            :MESSAGE_LIMIT
        ],
    }
    numbers = {
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY: model.id,
        constants.ARTIFACT_PROPERTY_BLESSED_KEY: constants.BLESSED_VALUE
        if verdict.blessed
        else constants.NOT_BLESSED_VALUE,
    }
    if baseline is not None:
        texts[constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY] = baseline.uri
        numbers[constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY] = baseline.id
    if component_id:
        texts["component_id"] = component_id
    for key, text in texts.items():
        blessing.set_string_custom_property(key, text)
    for key, number in numbers.items():
        blessing.set_int_custom_property(key, number)
