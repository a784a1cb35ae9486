"""Compile a TFX pipeline, or a recipe, to a Kubeflow Pipelines v2 package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfx.orchestration.portable import tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline.kubernetes import Kubernetes, check_image
from pipeline.recipe import Recipe
from pipeline.runners.kubeflow import handover, package_file, parameters, rebuild
from pipeline.runners.kubeflow.connection import connect
from pipeline.runners.kubeflow.package import Blueprint, NodeTask, build
from trainer.errors import UserError


@dataclass(frozen=True)
class KubeflowDagRunnerConfig:
    """What a package needs beyond the pipeline itself."""

    image: str | None = None
    """registry/name:tag of all nodes; None: `kubernetes.image`."""
    output_path: str | Path | None = None
    """The package's file; None: `<pipeline>.yaml` in the working directory."""
    kubernetes: Kubernetes = field(default_factory=Kubernetes)
    metadata: str | None = None
    """Address of ML Metadata (see `connection.connect`); None: `kubernetes.metadata`."""
    pipeline_root: str | None = None
    """Default of the run's parameter `pipeline_root`: a path on shared storage or gs://."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Plain environment variables of all nodes."""


class KubeflowDagRunner(tfx_runner.IrBasedRunner):
    """TFX runner that writes a package; `tfx run create --engine=kubeflow` or a client starts it.

    Every node becomes a container task that starts TFX's own portable launcher, so drivers,
    resolvers, importers, conditions, caching and lineage are TFX's on Kubeflow as they are locally.
    """

    def __init__(self, config: KubeflowDagRunnerConfig | None = None) -> None:
        super().__init__()
        self._config = config or KubeflowDagRunnerConfig()

    def run_with_ir(
        self,
        pipeline: pipeline_pb2.Pipeline,
        run_options: pipeline_pb2.RunOptions | None = None,
        **kwargs: Any,
    ) -> Path:
        """Compile a pipeline to a package file; `run(pipeline)` ends here.

        Returns:
          The file's path.

        Raises:
          UserError: Image, names or settings are not what Kubeflow takes, or a part of a pipeline
            was asked for.
        """
        if run_options is not None:
            raise UserError("a package holds a whole pipeline: leave out run_options")
        if self._config.pipeline_root:
            root = pipeline.runtime_spec.pipeline_root.runtime_parameter
            root.default_value.string_value = self._config.pipeline_root
        return _write(pipeline, self._config, parameters.of_ir(pipeline), [])


def compile_recipe(
    recipe: Recipe, output_path: str | Path | None = None, image: str | None = None
) -> Path:
    """Compile a recipe to a package file.

    Its settings named in `kubernetes.parameters`, its output folder and its data folder can be
    given anew when a run starts; nodes then wire the pipeline from the recipe once more.

    Args:
      recipe: What to run, and what it needs of Kubernetes.
      output_path: The package's file; None: `<recipe>.yaml` in the working directory.
      image: Instead of `kubernetes.image`.

    Returns:
      The file's path.

    Raises:
      UserError: The recipe cannot run on Kubeflow as it is.
    """
    config = KubeflowDagRunnerConfig(image, output_path, recipe.kubernetes)
    _image(config)  # before twelve seconds of wiring
    offer = rebuild.offer(recipe)
    given = {p.name: p.default for p in offer.parameters}
    ir = rebuild.wire(offer.content, given)
    arguments = ["--recipe", handover.pack(offer.content)]
    return _write(ir, config, offer.parameters, arguments)


def _write(
    ir: pipeline_pb2.Pipeline,
    config: KubeflowDagRunnerConfig,
    given: Sequence[parameters.Parameter],
    arguments: list[str],
) -> Path:
    nodes = handover.nodes(ir)
    known = [node.node_info.id for node in nodes]
    settings = config.kubernetes
    if config.metadata:
        settings = _with_metadata(settings, config.metadata)
    settings.check_nodes(known)
    connect(settings.metadata)
    tasks = []
    for node in nodes:
        name = node.node_info.id
        own = ["--ir", handover.pack(handover.cut(ir, name)), *arguments]
        if name in settings.gates:
            own.append("--gate")
        tasks.append(NodeTask(name, list(node.upstream_nodes), own))
    blueprint = Blueprint(
        ir.pipeline_info.id, tasks, given, _image(config), settings, dict(config.env)
    )
    path = Path(config.output_path or f"{ir.pipeline_info.id}.yaml")
    return package_file.save(build(blueprint), path)


def _image(config: KubeflowDagRunnerConfig) -> str:
    image = config.image or config.kubernetes.image
    if not image:
        raise UserError(
            "no image to run the nodes in: set kubernetes.image to registry/name:tag in the "
            "recipe or with --set"
        )
    check_image("image", image)
    return image


def _with_metadata(settings: Kubernetes, address: str) -> Kubernetes:
    """Return the settings with another address of ML Metadata, checked like the first."""
    return Kubernetes.model_validate({**settings.model_dump(), "metadata": address})
