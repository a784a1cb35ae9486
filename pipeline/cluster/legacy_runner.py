"""`tfx.orchestration.kubeflow.kubeflow_dag_runner` for pipeline files written before TFX 1.16.

The classes and arguments of TFX 1.15 in front of our runner for KFP 2. What has no meaning there
any more is refused with the new way to say it, never dropped unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfx import version
from tfx.proto.orchestration import pipeline_pb2

from pipeline.runners.kubeflow import runner
from trainer.errors import UserError
from trainer.progress import say

DEFAULT_KUBEFLOW_TFX_IMAGE = f"tensorflow/tfx:{version.__version__}"
LABEL_KFP_SDK_ENV = "pipelines.kubeflow.org/pipeline-sdk-type"


def get_default_kubeflow_metadata_config() -> str:
    """Return the address of the metadata service that comes with Kubeflow Pipelines."""
    return runner.KubeflowDagRunnerConfig().kubernetes.metadata


class KubeflowDagRunnerConfig(runner.KubeflowDagRunnerConfig):
    """The old configuration.

    Raises:
      UserError: `pipeline_operator_funcs` or launcher settings are given; or an argument that
        neither the old class nor the new one has.
    """

    def __init__(
        self,
        pipeline_operator_funcs: Iterable[Any] | None = None,
        tfx_image: str | None = None,
        kubeflow_metadata_config: str | None = None,
        **new: Any,
    ) -> None:
        if pipeline_operator_funcs or new.keys() & _LAUNCHER:
            raise UserError(
                "pipeline_operator_funcs and launcher settings were for KFP 1: say the same with "
                "KubeflowDagRunnerConfig(kubernetes=pipeline.kubernetes.Kubernetes(...))"
            )
        if kubeflow_metadata_config is not None and not isinstance(kubeflow_metadata_config, str):
            raise UserError(
                "kubeflow_metadata_config is an address now: grpc://host:port, "
                "mysql://user@host:port/database, or leave it out"
            )
        unknown = new.keys() - runner.KubeflowDagRunnerConfig.__dataclass_fields__.keys()
        if unknown:
            raise UserError(f"KubeflowDagRunnerConfig takes no '{sorted(unknown)[0]}'")
        given = {"image": tfx_image, "metadata": kubeflow_metadata_config}
        super().__init__(**{**{key: v for key, v in given.items() if v}, **new})


class KubeflowDagRunner(runner.KubeflowDagRunner):
    """The old runner: writes its package to `output_dir/output_filename`, as YAML."""

    def __init__(
        self,
        output_dir: str | None = None,
        output_filename: str | None = None,
        config: runner.KubeflowDagRunnerConfig | None = None,
        pod_labels_to_attach: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(config)
        self._dir, self._filename = output_dir, output_filename
        if pod_labels_to_attach:
            say("KubeflowDagRunner: pod labels are not attached on Kubeflow Pipelines 2")

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None, **kwargs: Any
    ) -> Path:
        """Compile a pipeline; old names of archives become names of YAML files."""
        if self._config.output_path is None:
            name = (self._filename or pipeline.pipeline_info.id).split(".tar")[0]
            name = name if name.endswith((".yaml", ".yml")) else f"{name}.yaml"
            path = Path(self._dir or ".") / name
            self._config = replace(self._config, output_path=path)
        return super().run_with_ir(pipeline, run_options, **kwargs)


_LAUNCHER = {
    "supported_launcher_classes",
    "default_component_configs",
    "component_config_overrides",
}
