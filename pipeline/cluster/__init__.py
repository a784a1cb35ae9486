"""The Kubeflow cluster from outside: the `tfx` command's engine, schedules, submit and watch."""
