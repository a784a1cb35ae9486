"""Start one node with TFX's portable launcher; clear away first what a killed attempt left."""

from __future__ import annotations

import os
from collections.abc import Callable

from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import kubernetes_executor_operator, launcher, outputs_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto import pusher_pb2
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2
from tfx.utils import proto_utils

from pipeline.runners.kubeflow.connection import connect
from pipeline.runners.kubeflow.runs import Run, message

PUSHER = "tfx.components.pusher.component.Pusher"


class NodeFailed(Exception):  # noqa: N818 - what a node reported, rather than a defect
    """A node ended without success and TFX raised nothing; the message is what it recorded."""


def launch(part: pipeline_pb2.Pipeline, address: str, say: Callable[[str], None]) -> str:
    """Run the one node of `part` in a run whose values are put in.

    Args:
      part: What `handover.cut` made, without open parameters.
      address: Where ML Metadata is.
      say: Told what goes on.

    Returns:
      `done`, `cached` or `skipped`: a condition does not hold, or a node before was skipped.

    Raises:
      NodeFailed: TFX recorded a failure, for example an input that is not there.
      Exception: What the node's own work raised.
    """
    node = part.nodes[0].pipeline_node
    name = node.node_info.id
    run_id = part.runtime_spec.pipeline_run_id.field_value.string_value
    handle = metadata.Metadata(connect(address))
    deployment = runner_utils.extract_local_deployment_config(part)
    with handle as connected:
        run = Run(connected.store, part.pipeline_info.id, run_id)
        missing = _skipped_before(node, run)
        if missing:
            say(f"skipping: {', '.join(missing)} made nothing in this run")
            return "skipped"
        recover(part, run, say)
    say("starting the node with TFX's launcher")
    launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=handle,
        pipeline_info=part.pipeline_info,
        pipeline_runtime_spec=part.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, name),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
        custom_executor_operators=_operators(),
    ).launch()
    with handle as connected:
        run = Run(connected.store, part.pipeline_info.id, run_id)
        state = run.state(name)
        if state == "failed":
            raise NodeFailed(message(run.executions(name)[0]) or "its log has the cause")
    return "skipped" if state == "not run" else state


def recover(part: pipeline_pb2.Pipeline, run: Run, say: Callable[[str], None]) -> None:
    """Clear away what an earlier attempt of this run left half done.

    TFX goes on with the same execution and the same output folders. What lies in them is
    removed, so that old and new never mix. System nodes begin a new execution; theirs is closed.
    """
    node = part.nodes[0].pipeline_node
    folder = outputs_utils.get_node_dir(part.runtime_spec, node.node_info.id)
    for execution in run.executions(node.node_info.id):
        if execution_lib.is_execution_successful(execution):
            continue
        say(f"an earlier attempt left execution {execution.id} unfinished: clearing it away")
        made = outputs_utils.generate_output_artifacts(execution.id, node.outputs.outputs, folder)
        for artifact in (one for many in made.values() for one in many):
            if not artifact.is_external and fileio.exists(artifact.uri):
                outputs_utils.remove_output_dirs({"": [artifact]})
        if node.node_info.type.name == PUSHER:
            _remove_unrecorded_push(node, execution, run, say)
        if node.node_info.type.name in launcher._SYSTEM_NODE_HANDLERS:
            execution.last_known_state = pb.Execution.FAILED
            run.store.put_executions([execution])


def _remove_unrecorded_push(
    node: pipeline_pb2.PipelineNode,
    execution: pb.Execution,
    run: Run,
    say: Callable[[str], None],
) -> None:
    """Remove the version folder that a killed Pusher wrote; the new attempt writes its own.

    It is named by a second since that attempt began, and no finished push names it.
    """
    destination = pusher_pb2.PushDestination()
    text = node.parameters.parameters["push_destination"].field_value.string_value
    proto_utils.json_to_proto(text or "{}", destination)
    base = destination.filesystem.base_directory
    if not base or not fileio.isdir(base):
        return
    recorded = {
        artifact.custom_properties["pushed_destination"].string_value.rstrip("/")
        for artifact in run.store.get_artifacts_by_type("PushedModel")
    }
    since = execution.create_time_since_epoch // 1000
    for version in (entry.rstrip("/") for entry in fileio.listdir(base)):
        path = os.path.join(base, version)  # noqa: PTH118 - may be gs://
        if version.isdigit() and int(version) >= since and path not in recorded:
            say(f"removing version {version}, pushed by an attempt that did not finish")
            fileio.rmtree(path)


def _skipped_before(node: pipeline_pb2.PipelineNode, run: Run) -> list[str]:
    """List the nodes whose outputs this one must have and that were skipped in this run.

    Kubeflow starts a task only when all before it ended well; one of those without a finished
    execution was skipped by its condition.
    """
    needed = {
        channel.producer_node_query.id
        for spec in node.inputs.inputs.values()
        if spec.min_count > 0
        for channel in spec.channels
        if channel.producer_node_query.id in node.upstream_nodes
    }
    return sorted(name for name in needed if run.done(name) is None)


def _operators() -> dict[type, type] | None:
    """Let container components start pods of their own when this is a pod itself."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return None
    return {
        executable_spec_pb2.ContainerExecutableSpec: (
            kubernetes_executor_operator.KubernetesExecutorOperator
        )
    }
