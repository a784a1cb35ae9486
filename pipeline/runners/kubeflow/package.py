"""From TFX nodes to a Kubeflow Pipelines v2 package: one container task per node.

The KFP SDK builds it: node ids become task names that Argo takes, TFX's order becomes `after`,
an exit task tells how the run ended, whatever happened before.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from kfp import dsl

from pipeline.kubernetes import Kubernetes, Needs, Reference
from pipeline.runners.kubeflow import package_file, resources
from pipeline.runners.kubeflow.parameters import METADATA, Parameter
from pipeline.runners.kubeflow.task_io import NOTIFY_URLS
from trainer.errors import UserError

NODE = ("python", "-m", "pipeline.runners.kubeflow.node")
FINISH = ("python", "-m", "pipeline.runners.kubeflow.finish")
EXECUTOR_INPUT = "{{$}}"
"""Becomes the whole of what Kubeflow knows of a task: its parameters and where outputs go."""

NAME_LIMIT = 63
"""Characters of a pipeline's or task's name; Argo adds `-driver` and keeps to 128."""

_OUTPUTS = {
    "html": dsl.Output[dsl.HTML],
    "metrics": dsl.Output[dsl.Metrics],
    "summary": dsl.Output[dsl.Markdown],
}


@dataclass(frozen=True)
class NodeTask:
    """One node of the pipeline as a task."""

    node: str
    upstream: Sequence[str]
    arguments: Sequence[str]
    """What follows the node's command, beside what every task gets."""


@dataclass(frozen=True)
class Blueprint:
    """All that a package is made of."""

    pipeline: str
    tasks: Sequence[NodeTask]
    parameters: Sequence[Parameter]
    image: str
    kubernetes: Kubernetes
    env: Mapping[str, str]


def build(blueprint: Blueprint) -> str:
    """Write the package's text: YAML, equal for equal blueprints, sealed against edits.

    Raises:
      UserError: Names or settings that Kubeflow would refuse.
    """
    kubernetes = blueprint.kubernetes
    metadata = Parameter(METADATA, str, kubernetes.metadata, METADATA)
    # Python wants parameters without a default first.
    parameters = sorted([metadata, *blueprint.parameters], key=lambda p: p.default is not None)

    def wire(*channels: dsl.PipelineChannel) -> None:
        given = {parameter.name: one for parameter, one in zip(parameters, channels, strict=True)}
        finish = _exit_task(blueprint, given[METADATA])
        with dsl.ExitHandler(finish, name=blueprint.pipeline):
            _node_tasks(blueprint, {p.name: p.kind for p in parameters}, given)

    _sign(wire, "pipeline", {p.name: p.kind for p in parameters}, parameters)
    made = dsl.pipeline(name=pipeline_name(blueprint.pipeline))(wire)
    return package_file.write_text(
        json_format.MessageToDict(made.pipeline_spec), json_format.MessageToDict(made.platform_spec)
    )


def pipeline_name(name: str) -> str:
    """Turn a TFX pipeline's name into one that Kubeflow takes.

    Raises:
      UserError: Nothing is left of it.
    """
    return _legal("pipeline", name)


def task_names(nodes: Sequence[str]) -> dict[str, str]:
    """Turn node ids into task names: `TfdsExampleGen` -> `tfds-example-gen`.

    Raises:
      UserError: Two ids come to the same name.
    """
    names: dict[str, str] = {}
    for node in nodes:
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", node)
        name = _legal("node", spaced)
        if name in names.values():
            twin = next(other for other, taken in names.items() if taken == name)
            raise UserError(
                f"nodes '{twin}' and '{node}' both come to task '{name}' on Kubeflow: give one "
                "another id"
            )
        names[node] = name
    return names


def _legal(kind: str, given: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:NAME_LIMIT].rstrip("-")
    if not name:
        raise UserError(f"{kind} '{given}' has no letter or digit that Kubeflow takes: rename it")
    return name


def _node_tasks(
    blueprint: Blueprint, kinds: Mapping[str, type], given: Mapping[str, dsl.PipelineChannel]
) -> None:
    """Make a task of every node, in TFX's order."""
    kubernetes = blueprint.kubernetes
    names = task_names([task.node for task in blueprint.tasks])
    tasks: dict[str, dsl.PipelineTask] = {}
    for task in blueprint.tasks:
        needs = kubernetes.needs(task.node)
        arguments = [*_common(blueprint), "--node", task.node, *task.arguments]
        image = needs.image or blueprint.image
        component = _component(names[task.node], image, NODE, arguments, kinds)
        made = _place(blueprint, component(**given), needs)
        made.set_display_name(task.node)
        made.after(*(tasks[node] for node in sorted(task.upstream)))
        tasks[task.node] = made


def _exit_task(blueprint: Blueprint, metadata: dsl.PipelineChannel) -> dsl.PipelineTask:
    """Make the task that tells how the run ended; a plain pod of its own."""
    kubernetes = blueprint.kubernetes
    arguments = _common(blueprint)
    if kubernetes.ui:
        arguments += ["--ui", kubernetes.ui]
    own = Needs(pool="", retries=0, secrets=kubernetes.default.secrets)
    if kubernetes.notify:
        urls = Reference(name=kubernetes.notify.secret, env={kubernetes.notify.key: NOTIFY_URLS})
        own = own.model_copy(update={"secrets": (*(own.secrets or ()), urls)})
    arguments += [part for task in blueprint.tasks for part in ("--node", task.node)]
    kinds = {METADATA: str, "status": dsl.PipelineTaskFinalStatus}
    component = _component("exit-report", blueprint.image, FINISH, arguments, kinds)
    return _place(blueprint, component(**{METADATA: metadata}), own)


def _place(blueprint: Blueprint, task: dsl.PipelineTask, needs: Needs) -> dsl.PipelineTask:
    """Give a task its environment and resources."""
    # Kubeflow's own cache would answer without asking ML Metadata; TFX's cache decides.
    task.set_caching_options(False)
    for name, value in sorted(blueprint.env.items()):
        task.set_env_variable(name, value)
    resources.apply(task, needs, blueprint.kubernetes.pools, blueprint.kubernetes.storage)
    return task


def _common(blueprint: Blueprint) -> list[str]:
    run = ["--executor-input", EXECUTOR_INPUT, "--run-id", dsl.PIPELINE_JOB_ID_PLACEHOLDER]
    return [*run, "--pipeline", blueprint.pipeline]


def _component(
    name: str,
    image: str,
    command: Sequence[str],
    arguments: Sequence[str],
    kinds: Mapping[str, Any],
) -> Callable[..., dsl.PipelineTask]:
    """Make a container component whose outputs Kubeflow's UI shows."""

    def container(*placeholders: Any) -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image=image, command=list(command), args=list(arguments))

    _sign(container, name.replace("-", "_"), {**kinds, **_OUTPUTS})
    component: Callable[..., dsl.PipelineTask] = dsl.container_component(container)
    return component


def _sign(
    function: Callable[..., Any],
    name: str,
    kinds: Mapping[str, Any],
    parameters: Sequence[Parameter] = (),
) -> None:
    """Give a function the name and signature that the KFP SDK reads its interface from."""
    defaults = {p.name: p.default for p in parameters if p.default is not None}
    function.__name__ = function.__qualname__ = name
    function.__doc__ = None
    function.__annotations__ = dict(kinds)
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                key,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                annotation=kind,
                default=defaults.get(key, inspect.Parameter.empty),
            )
            for key, kind in kinds.items()
        ]
    )
