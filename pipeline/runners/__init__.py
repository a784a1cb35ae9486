"""Ways to run the wired pipeline: on this machine, on Kubeflow."""
