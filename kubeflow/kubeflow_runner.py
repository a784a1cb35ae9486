"""The file to point the `tfx` command's Kubeflow engine at; copy it to run another recipe.

tfx pipeline create --engine=kubeflow --pipeline-path=kubeflow/kubeflow_runner.py --endpoint=URL
tfx run create --engine=kubeflow --pipeline-name=digits_cgan --endpoint=URL
"""

from pipeline import build, config
from pipeline.runners.kubeflow import rebuild
from pipeline.runners.kubeflow.runner import KubeflowDagRunner, KubeflowDagRunnerConfig

RECIPE = "digits_cgan"
OVERRIDES: list[str] = []
IMAGE = "genvision:0.1.0"  # registry/name:tag, from where the cluster pulls it

if __name__ == "__main__":
    recipe = config.load(RECIPE, OVERRIDES)
    runner_config = KubeflowDagRunnerConfig(image=IMAGE, recipe=recipe)
    pipeline = build.create_pipeline(recipe, rebuild.paths(recipe))
    KubeflowDagRunner(runner_config).run(pipeline)
