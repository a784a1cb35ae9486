"""Run a pipeline file as the `tfx` command does, and steer where its package and image go."""

from __future__ import annotations

import functools
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfx.tools.cli.handler import dag_runner_patcher

from pipeline.runners.kubeflow import runner as kubeflow


class KubeflowDagRunnerPatcher(dag_runner_patcher.DagRunnerPatcher):
    """Takes hold of `KubeflowDagRunner.run` while a file is executed; `compile_recipe` ends there.

    The context then holds PIPELINE_NAME, PIPELINE_ROOT and OUTPUT_FILE_PATH.
    """

    OUTPUT_FILE_PATH = "output_file_path"

    def __init__(
        self, folder: Path | None = None, build_image: Callable[[str | None], str] | None = None
    ) -> None:
        """Construct the patcher.

        Args:
          folder: Write the package here instead of where the file says.
          build_image: Called with the image's name as configured; what it returns is used.
        """
        super().__init__(call_real_run=True)
        self._folder, self._build_image = folder, build_image

    def get_runner_class(self) -> type[kubeflow.KubeflowDagRunner]:
        """Name the class whose `run` is taken hold of."""
        return kubeflow.KubeflowDagRunner

    def _before_run(
        self, runner: kubeflow.KubeflowDagRunner, pipeline: Any, context: MutableMapping[str, Any]
    ) -> None:
        config = runner._config
        if self._folder:
            name = f"{context[self.PIPELINE_NAME]}.yaml"
            config = replace(config, output_path=self._folder / name)
        if self._build_image:
            image = config.image or config.settings.image
            config = replace(config, image=self._build_image(image))
        runner._config = config

    def _decorate(self, f: Callable[..., Path]) -> Callable[..., Path]:
        @functools.wraps(f)
        def run(*args: Any, **options: Any) -> Path:
            path = self._context[self.OUTPUT_FILE_PATH] = f(*args, **options)
            return path

        decorated: Callable[..., Path] = super()._decorate(run)
        return decorated
