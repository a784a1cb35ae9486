"""Run a compiled package on this machine: its own container commands, by the local interpreter.

What Kubeflow does around a container is done here as well: parameters with types and defaults,
placeholders, order, retries with backoff, an exit task that always runs. Images, volumes and
machines are left out; folders come from the run's parameters.
"""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.local import executor_input_utils, placeholder_utils
from kfp.pipeline_spec import pipeline_spec_pb2 as pb

from pipeline.code import ROOT
from pipeline.runners.kubeflow import package_file
from pipeline.runners.kubeflow.arguments import resolve
from pipeline.runners.kubeflow.package_file import Package
from trainer.errors import Interrupted, UserError

GRACE_S = 60.0
"""For a node to save after SIGTERM."""

SUCCEEDED, FAILED, NOT_RUN = "SUCCEEDED", "FAILED", "NOT_RUN"
ALWAYS = pb.PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED


@dataclass
class TaskResult:
    """What became of one task."""

    name: str
    state: str
    attempts: int = 0
    exit_code: int | None = None
    seconds: float = 0.0
    folder: Path | None = None
    """Its outputs and logs."""


@dataclass
class Execution:
    """One run of a package."""

    run_id: str
    state: str = SUCCEEDED
    tasks: dict[str, TaskResult] = field(default_factory=dict)


class Executor:
    """Runs one package once."""

    def __init__(
        self,
        package: Package,
        folder: Path,
        given: Mapping[str, str],
        max_backoff_s: float = 5.0,
        tell: Callable[[str], None] = lambda line: None,
        started: Callable[[str, int, subprocess.Popen[bytes]], None] = lambda *_: None,
    ) -> None:
        """Prepare a run.

        Args:
          package: What to run.
          folder: Everything goes below it.
          given: Values by parameter name, as a person writes them.
          max_backoff_s: Longest wait before a retry, however long Kubeflow would wait.
          tell: Called with one line per event.
          started: Called with (task, attempt from 1, process) when a container's command starts.

        Raises:
          UserError: A value has no parameter, no value, or another type; or the package holds
            what its compiler never writes.
        """
        self._package, self._folder = package, folder.resolve()
        self._max_backoff_s, self._tell, self._started = max_backoff_s, tell, started
        self._given = resolve(package.spec, given, self._folder)
        self.result = Execution(str(uuid.uuid4()))
        _check(package.spec)

    def run(self) -> Execution:
        """Run all tasks in order; an exit task follows whatever happened.

        Raises:
          Interrupted: A signal came; the task that ran was given time to save.
        """
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        self._stage = self._folder / "kubeflow" / f"{stamp}-{self.result.run_id[:8]}"
        self._run_dag(self._package.spec.root.dag, self._given)
        return self.result

    def _run_dag(self, dag: pb.DagSpec, inputs: Mapping[str, Any]) -> str:
        """Run a graph of tasks; return its state."""
        states: dict[str, str] = {}
        tasks = dict(dag.tasks)
        while tasks:
            ready = [n for n, task in tasks.items() if set(task.dependent_tasks) <= states.keys()]
            name = min(ready)
            task = tasks.pop(name)
            always = task.trigger_policy.strategy == ALWAYS
            if always or all(states[before] == SUCCEEDED for before in task.dependent_tasks):
                states[name] = self._run_task(name, task, inputs, states)
            else:
                states[name] = NOT_RUN
                self.result.tasks[name] = TaskResult(name, NOT_RUN)
                self._tell(f"{name}: not run, a task before it failed")
        failed = any(state != SUCCEEDED for state in states.values())
        return FAILED if failed else SUCCEEDED

    def _run_task(
        self,
        name: str,
        task: pb.PipelineTaskSpec,
        inputs: Mapping[str, Any],
        states: Mapping[str, str],
    ) -> str:
        values = {
            key: self._value(spec, inputs, states) for key, spec in task.inputs.parameters.items()
        }
        component = self._package.spec.components[task.component_ref.name]
        if component.HasField("dag"):
            state = self._run_dag(component.dag, values)
        else:
            state = self._run_container(name, task, component, values)
        if state != SUCCEEDED:
            self.result.state = FAILED
        return state

    def _value(
        self,
        spec: pb.TaskInputsSpec.InputParameterSpec,
        inputs: Mapping[str, Any],
        states: Mapping[str, str],
    ) -> Any:
        kind = spec.WhichOneof("kind")
        if kind == "component_input_parameter":
            return inputs[spec.component_input_parameter]
        if kind == "task_final_status":
            producer = spec.task_final_status.producer_task
            name = f"projects/local/pipelineJobs/{self.result.run_id}"
            return {
                "state": states[producer],
                "pipelineJobResourceName": name,
                "pipelineTaskName": producer,
            }
        return json_format.MessageToDict(spec.runtime_value.constant)

    def _run_container(
        self,
        name: str,
        task: pb.PipelineTaskSpec,
        component: pb.ComponentSpec,
        values: dict[str, Any],
    ) -> str:
        """Run a container's command until it ends well or may not be tried again."""
        executors = self._package.spec.deployment_spec["executors"]
        container = json_format.MessageToDict(executors[component.executor_label])["container"]
        policy = task.retry_policy
        result = TaskResult(name, FAILED, folder=self._stage / name)
        self.result.tasks[name] = result
        began = time.monotonic()
        backoff = float(policy.backoff_duration.seconds)
        for attempt in range(1, policy.max_retry_count + 2):
            command = self._command(name, container, component, values)
            result.attempts, result.exit_code = (
                attempt,
                self._attempt(name, attempt, command, container),
            )
            result.seconds = time.monotonic() - began
            if result.exit_code == 0:
                result.state = SUCCEEDED
                break
            if attempt <= policy.max_retry_count:
                wait = min(backoff, self._max_backoff_s)
                self._tell(f"{name}: exit code {result.exit_code}, again in {wait:.0f} s")
                time.sleep(wait)
                backoff = min(
                    backoff * policy.backoff_factor, policy.backoff_max_duration.seconds or backoff
                )
        self._tell(
            f"{name}: {result.state.lower()} in {result.seconds:.1f} s, {result.attempts} attempts"
        )
        return result.state

    def _command(
        self,
        name: str,
        container: Mapping[str, Any],
        component: pb.ComponentSpec,
        values: dict[str, Any],
    ) -> list[str]:
        """Resolve a container's command and arguments as Kubeflow's driver and launcher do."""
        folder = str(self._stage / name)
        given = executor_input_utils.construct_executor_input(
            component, values, folder, block_input_artifact=True
        )
        (self._stage / name).mkdir(parents=True, exist_ok=True)
        resolved: list[str] = placeholder_utils.replace_placeholders(
            [*container["command"], *container.get("args", [])],
            executor_input_utils.executor_input_to_dict(given, component),
            self._package.name,
            name,
            str(self._stage),
            self.result.run_id,
        )
        return resolved

    def _attempt(
        self, name: str, attempt: int, command: list[str], container: Mapping[str, Any]
    ) -> int:
        """Run one attempt in an empty folder of its own; return its exit code."""
        pod = self._stage / name / f"attempt-{attempt}"
        pod.mkdir(parents=True)
        log = pod / "log.txt"
        self._tell(f"{name}: attempt {attempt}, log {log}")
        if command[0] == "python":
            command = [sys.executable, *command[1:]]
        extra = {one["name"]: one.get("value", "") for one in container.get("env", [])}
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **extra}
        with (
            log.open("wb") as output,
            # A session of its own: Ctrl-C reaches this process alone, which passes it on.
            subprocess.Popen(
                command,
                cwd=pod,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            self._started(name, attempt, process)
            return _wait(process)


def execute(
    path: Path,
    folder: Path,
    given: Mapping[str, str],
    max_backoff_s: float = 5.0,
    tell: Callable[[str], None] = print,
    warm: bool = False,
) -> Execution:
    """Read a package, check it, and run it on this machine; see `Executor` and `WarmExecutor`."""
    package = package_file.read(path)
    kind = Executor
    if warm:
        from pipeline.runners.kubeflow.warm import WarmExecutor

        kind = WarmExecutor
    return kind(package, folder, given, max_backoff_s, tell).run()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a command; one that a signal ended counts as 128 + signal, as in a shell."""
    try:
        code = process.wait()
    except (Interrupted, KeyboardInterrupt):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    return code if code >= 0 else 128 - code


def _check(spec: pb.PipelineSpec) -> None:
    """Raise UserError for what the compiler of this project never writes."""
    containers = spec.deployment_spec["executors"]
    for name, component in spec.components.items():
        if component.HasField("dag"):
            for task_name, task in component.dag.tasks.items():
                if task.WhichOneof("iterator") or task.trigger_policy.condition:
                    raise UserError(f"task '{task_name}' has a loop or condition of Kubeflow's own")
        elif "container" not in containers[component.executor_label]:
            raise UserError(f"component '{name}' is no container: compile the pipeline again")
