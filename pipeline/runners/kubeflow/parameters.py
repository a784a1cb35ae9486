"""Values given at the start of a run: what a package declares, and how a node takes them in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf import message
from tfx.dsl.compiler import constants
from tfx.orchestration.portable import runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from trainer.errors import UserError

METADATA = "metadata"
"""Every package's parameter with the address of ML Metadata."""

Value = str | int | float | bool

_KINDS: dict[int, type] = {
    pipeline_pb2.RuntimeParameter.INT: int,
    pipeline_pb2.RuntimeParameter.DOUBLE: float,
    pipeline_pb2.RuntimeParameter.STRING: str,
}


@dataclass(frozen=True)
class Parameter:
    """One value that a run may be started with."""

    name: str
    """As Kubeflow knows it: letters, digits and underscores."""
    kind: type
    default: Value | None
    """None: it must be given."""
    key: str
    """As TFX or the recipe knows it."""
    yaml: bool = False
    """Whether its text is YAML for something that Kubeflow has no type for."""


def identifier(key: str) -> str:
    """Turn `train.steps` or `pipeline-root` into a name that Kubeflow takes."""
    return re.sub(r"\W", "_", key).lower()


def of_ir(ir: message.Message) -> list[Parameter]:
    """List the RuntimeParameters of a pipeline, by name; the run's id is Kubeflow's business.

    Raises:
      UserError: Two of them come to the same name.
    """
    found = {spec.name: spec for spec in _runtime_parameters(ir)}
    found.pop(constants.PIPELINE_RUN_ID_PARAMETER_NAME, None)
    parameters = [_parameter(spec) for _, spec in sorted(found.items())]
    check_names(parameters)
    return parameters


def check_names(parameters: Iterable[Parameter]) -> None:
    """Raise UserError when two parameters come to the same name."""
    keys: dict[str, str] = {METADATA: "the metadata address"}
    for parameter in parameters:
        if parameter.name in keys:
            raise UserError(
                f"parameters '{parameter.key}' and '{keys[parameter.name]}' both come to "
                f"'{parameter.name}' on Kubeflow: rename one"
            )
        keys[parameter.name] = parameter.key


def substitute(ir: pipeline_pb2.Pipeline, run_id: str, given: Mapping[str, Any]) -> None:
    """Put the run's id and its values into a pipeline, in place.

    Args:
      ir: A pipeline or a part of one.
      run_id: The run's id.
      given: Values by Kubeflow's names; numbers may come as float, as JSON has them.
    """
    values: dict[str, Value] = {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    for parameter in of_ir(ir):
        if parameter.name in given:
            values[parameter.key] = parameter.kind(given[parameter.name])
    runtime_parameter_utils.substitute_runtime_parameter(ir, values)


def of_recipe(recipe: Mapping[str, Any], keys: Iterable[str]) -> list[Parameter]:
    """List a recipe's parameters.

    Args:
      recipe: The recipe as a tree of plain values.
      keys: Dotted keys of what can be given at the start of a run. A number, text or truth value
        is one on Kubeflow too; a list, a section and null are YAML in a text.

    Raises:
      UserError: There is no such key, or two come to the same name.
    """
    parameters = []
    for key in keys:
        value = _value(recipe, key)
        if isinstance(value, str | int | float):
            parameters.append(Parameter(identifier(key), type(value), value, key))
        else:
            parameters.append(Parameter(identifier(key), str, _flow(value), key, yaml=True))
    check_names(parameters)
    return parameters


def override(parameter: Parameter, value: Any) -> str:
    """Write a value given for a recipe's key the way `--set` takes it."""
    text = str(value) if parameter.yaml else _flow(parameter.kind(value))
    return f"{parameter.key}={text}"


def _value(recipe: Mapping[str, Any], key: str) -> Any:
    found: Any = recipe
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise UserError(
                f"kubernetes.parameters names '{key}', which is no key of this recipe: see its "
                "keys with `genvision show`"
            )
        found = found[part]
    return found


def _flow(value: Any) -> str:
    """Write a value as YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return text.removesuffix("...\n").strip()


def _parameter(spec: pipeline_pb2.RuntimeParameter) -> Parameter:
    kind = _KINDS[spec.type]
    default = None
    if spec.HasField("default_value"):
        default = kind(getattr(spec.default_value, spec.default_value.WhichOneof("value")))
    return Parameter(identifier(spec.name), kind, default, spec.name)


def _runtime_parameters(found: message.Message) -> Iterator[pipeline_pb2.RuntimeParameter]:
    """Walk a message; TFX substitutes below messages only, and so does this."""
    if isinstance(found, pipeline_pb2.RuntimeParameter):
        yield found
        return
    for field, value in found.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            parts = [v for v in value.values() if isinstance(v, message.Message)]
        else:
            parts = list(value) if field.is_repeated else [value]
        for part in parts:
            yield from _runtime_parameters(part)
