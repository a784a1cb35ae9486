"""Values for a package's parameters: typed as declared, defaults filled in, folders made local."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

from trainer.errors import UserError, unknown_name

_KINDS: dict[int, type | tuple[type, ...]] = {
    pb.ParameterType.NUMBER_INTEGER: int,
    pb.ParameterType.NUMBER_DOUBLE: (int, float),
    pb.ParameterType.BOOLEAN: bool,
}


def resolve(
    spec: pb.PipelineSpec, given: Mapping[str, str], folder: Path | None = None
) -> dict[str, Any]:
    """Give every parameter of a package its value.

    Args:
      spec: The package.
      given: Values by name, as a person writes them.
      folder: Where parameters that name the cluster's storage or metadata point to instead,
        unless they are given.

    Returns:
      Values of the declared types.

    Raises:
      UserError: No such parameter, a value of another type, or one without any.
    """
    declared = dict(spec.root.input_definitions.parameters)
    for name in given:
        if name not in declared:
            raise unknown_name("parameter of the package", name, declared)
    local = _local(folder) if folder else {}
    values = {}
    for name, parameter in declared.items():
        if name in given:
            values[name] = _convert(name, parameter, given[name])
        elif name in local:
            values[name] = local[name]
        elif parameter.HasField("default_value"):
            values[name] = _plain(parameter, json_format.MessageToDict(parameter.default_value))
        else:
            raise UserError(f"parameter '{name}' has no default: give it with --param {name}=...")
    return values


def _local(folder: Path) -> dict[str, str]:
    """Say where on this machine a run's things go; laid out as `genvision run` does."""
    return {
        "metadata": f"sqlite://{folder / 'metadata.sqlite'}",
        "pipeline_root": str(folder / "artifacts"),
        "output_dir": str(folder),
        "data_dir": str(folder.parent / "data"),
    }


def _convert(name: str, parameter: Any, text: str) -> Any:
    kind = _KINDS.get(parameter.parameter_type)
    if kind is None:
        return text
    value = yaml.safe_load(text)
    # bool is an int to Python, and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        wanted = pb.ParameterType.ParameterTypeEnum.Name(parameter.parameter_type).lower()
        raise UserError(f"parameter '{name}' is '{text}': give a {wanted.replace('_', ' ')}")
    return value


def _plain(parameter: Any, value: Any) -> Any:
    """Undo what JSON does to whole numbers."""
    return int(value) if parameter.parameter_type == pb.ParameterType.NUMBER_INTEGER else value
