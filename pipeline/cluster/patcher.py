"""Run a pipeline file as the `tfx` command does, and steer where its package and image go."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfx.tools.cli.handler import dag_runner_patcher

from pipeline.runners.kubeflow import runner as kubeflow


class KubeflowDagRunnerPatcher(dag_runner_patcher.DagRunnerPatcher):
    """Takes hold of `KubeflowDagRunner.run` and `compile_recipe` while a file is executed.

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

    @contextlib.contextmanager
    def patch(self) -> Iterator[MutableMapping[str, Any]]:
        """Take hold for as long as the context is open."""
        upstream = kubeflow.compile_recipe
        kubeflow.compile_recipe = functools.partial(self._compile_recipe, upstream)
        try:
            with super().patch() as context:
                yield context
        finally:
            kubeflow.compile_recipe = upstream

    def _before_run(
        self, runner: kubeflow.KubeflowDagRunner, pipeline: Any, context: MutableMapping[str, Any]
    ) -> None:
        config = runner._config
        if self._folder:
            config = replace(
                config, output_path=self._folder / f"{context[self.PIPELINE_NAME]}.yaml"
            )
        if self._build_image:
            config = replace(
                config, image=self._build_image(config.image or config.kubernetes.image)
            )
        runner._config = config

    def _decorate(self, f: Callable[..., Path]) -> Callable[..., Path]:
        @functools.wraps(f)
        def run(*args: Any, **options: Any) -> Path:
            path = self._context[self.OUTPUT_FILE_PATH] = f(*args, **options)
            return path

        decorated: Callable[..., Path] = super()._decorate(run)
        return decorated

    def _compile_recipe(
        self,
        upstream: Callable[..., Path],
        recipe: Any,
        output_path: str | Path | None = None,
        image: str | None = None,
    ) -> Path:
        if self._run_called:
            raise RuntimeError("a pipeline file compiles one pipeline; this one compiles several")
        self._run_called = True
        if self._build_image:
            image = self._build_image(image or recipe.kubernetes.image)
        if self._folder:
            output_path = self._folder / f"{recipe.name}.yaml"
        path = upstream(recipe, output_path, image)
        storage = recipe.kubernetes.storage
        self._context.update({
            self.PIPELINE_NAME: recipe.name,
            self.PIPELINE_ROOT: f"{storage.mount_path}/runs/{recipe.name}/artifacts",
            self.OUTPUT_FILE_PATH: path,
        })  # fmt: skip
        return path
