"""TFX pipelines as Kubeflow Pipelines v2 packages: compile, run one node, run a whole package."""
