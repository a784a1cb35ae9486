"""Compile a TFX pipeline, or a recipe, to a Kubeflow Pipelines v2 package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfx.orchestration.portable import tfx_runner
from tfx.proto.orchestration import pipeline_pb2

from pipeline import build, nodes
from pipeline.kubernetes import Kubernetes
from pipeline.recipe import Recipe
from pipeline.runners.kubeflow import handover, package, package_file, parameters, rebuild
from pipeline.runners.kubeflow.connection import connect
from pipeline.runners.kubeflow.package import Blueprint, NodeTask
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
    recipe: Recipe | None = None
    """The recipe that the pipeline is wired from, if any: its runs can then be given its settings
    anew, and `kubernetes` is the recipe's."""

    @property
    def settings(self) -> Kubernetes:
        """What is asked of Kubernetes, with `metadata` in its place."""
        found = self.recipe.kubernetes if self.recipe else self.kubernetes
        if not self.metadata:
            return found
        return Kubernetes.model_validate({**found.model_dump(), "metadata": self.metadata})


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
        if self._config.recipe is None:
            return _write(pipeline, self._config, parameters.of_ir(pipeline), [])
        offer = rebuild.offer(self._config.recipe)
        arguments = ["--recipe", handover.pack(offer.content)]
        return _write(pipeline, self._config, offer.parameters, arguments)


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
    recipe.kubernetes.image_for(image)  # raises before the pipeline is wired
    recipe.kubernetes.check_nodes(nodes.of(recipe))
    config = KubeflowDagRunnerConfig(image, output_path, recipe=recipe)
    return KubeflowDagRunner(config).run(build.create_pipeline(recipe, rebuild.paths(recipe)))


def _write(
    ir: pipeline_pb2.Pipeline,
    config: KubeflowDagRunnerConfig,
    given: Sequence[parameters.Parameter],
    arguments: list[str],
) -> Path:
    found = handover.nodes(ir)
    settings = config.settings
    settings.check_nodes([node.node_info.id for node in found])
    connect(settings.metadata)
    tasks = []
    for node in found:
        name = node.node_info.id
        own = ["--ir", handover.pack(handover.cut(ir, name)), *arguments]
        if name in settings.gates:
            own.append("--gate")
        tasks.append(NodeTask(name, list(node.upstream_nodes), own))
    image = settings.image_for(config.image)
    blueprint = Blueprint(ir.pipeline_info.id, tasks, given, image, settings, dict(config.env))
    path = Path(config.output_path or f"{ir.pipeline_info.id}.yaml")
    return package_file.save(package.build(blueprint), path)
