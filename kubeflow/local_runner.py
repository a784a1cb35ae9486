"""The file to point the `tfx` command's local engine at; copy it to run another recipe.

tfx pipeline create --engine=local --pipeline-path=kubeflow/local_runner.py
tfx run create --engine=local --pipeline-name=digits_cgan
"""

from pipeline import build, config
from pipeline.paths import Paths
from pipeline.runners.local import LocalRunner

RECIPE = "digits_cgan"
OVERRIDES: list[str] = []

if __name__ == "__main__":
    recipe = config.load(RECIPE, OVERRIDES)
    paths = Paths.of(recipe.name)
    paths.artifacts.mkdir(parents=True, exist_ok=True)
    LocalRunner().run(build.create_pipeline(recipe, paths))
