"""Runtime parameters: from the words of a command line to the JSON types a pipeline declares."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from trainer.errors import UserError, unknown_name

KINDS = {
    "NUMBER_DOUBLE": "a number",
    "NUMBER_INTEGER": "a whole number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
    "STRING": "text",
}
_TRUTH = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


class Parameter(NamedTuple):
    """One declared input of a pipeline."""

    kind: str
    """a key of `KINDS`"""
    default: Any
    required: bool


def declared(spec: Mapping[str, Any]) -> dict[str, Parameter]:
    """List the parameters of a pipeline.

    Args:
      spec: A PipelineSpec as JSON, or what the API holds of a version: the same, or with the key
        `pipeline_spec` above it.
    """
    spec = spec.get("pipeline_spec", spec)
    inputs = spec.get("root", {}).get("inputDefinitions", {}).get("parameters", {})
    return {
        name: Parameter(
            item.get("parameterType", "STRING"),
            item.get("defaultValue"),
            not item.get("isOptional") and "defaultValue" not in item,
        )
        for name, item in inputs.items()
    }


def converted(given: Mapping[str, str], spec: Mapping[str, Any]) -> dict[str, Any]:
    """Convert what was given to the declared types.

    The API takes a number for a number only; the command line has nothing but strings. A name may
    be given as TFX or a recipe knows it: `train.steps` stands for the declared `train_steps`.

    Raises:
      UserError: A name is not declared, a value is of another type, a required one is missing.
    """
    known, named = declared(spec), {}
    for given_name, text in given.items():
        name = given_name if given_name in known else re.sub(r"\W", "_", given_name).lower()
        if name not in known:
            raise unknown_name("runtime parameter", given_name, known)
        named[name] = text
    missing = [name for name, item in known.items() if item.required and name not in named]
    if missing:
        raise UserError(f"runtime parameter '{missing[0]}' has no default: give {missing[0]}=VALUE")
    return {name: _convert(name, text, known[name].kind) for name, text in named.items()}


def split(assignments: tuple[str, ...]) -> dict[str, str]:
    """Split `name=value` words.

    Raises:
      UserError: One has no equals sign.
    """
    pairs = [text.partition("=") for text in assignments]
    for name, sign, _ in pairs:
        if not sign or not name:
            raise UserError(f"'{name}' is no parameter: write it as name=value")
    return {name: value for name, _, value in pairs}


def _convert(name: str, text: str, kind: str) -> Any:
    readers: dict[str, Any] = {
        "NUMBER_DOUBLE": float,
        "NUMBER_INTEGER": int,
        "BOOLEAN": lambda word: _TRUTH[word.lower()],
        "LIST": lambda word: _json(word, list),
        "STRUCT": lambda word: _json(word, dict),
    }
    try:
        return readers.get(kind, str)(text)
    except (ValueError, KeyError):
        wanted = KINDS.get(kind, kind)
        raise UserError(f"runtime parameter '{name}' is '{text}': give {wanted}") from None


def _json(text: str, kind: type) -> Any:
    value = json.loads(text)
    if not isinstance(value, kind):
        raise ValueError(text)
    return value
