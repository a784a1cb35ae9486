"""Run a wired pipeline on this machine, node after node, and tell what happens."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import NamedTuple

from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import local_dag_runner, runner_utils
from tfx.orchestration.portable import launcher, partial_run_utils, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipeline.lineage import CACHED, DONE, Lineage, Output

RESOLVER = "tfx.dsl.components.common.resolver.Resolver"
"""Type of the nodes that look something up each time; one that finds the same counts as cached."""


class NodeResult(NamedTuple):
    """What became of one node."""

    node: str
    state: str
    """`done`, `cached` or `skipped`"""
    seconds: float
    why: str
    outputs: dict[str, Output]


class LocalRunner(local_dag_runner.LocalDagRunner):
    """TFX's local runner, with a word before and after every node.

    It goes through TFX's own launcher, so drivers, caching and lineage are TFX's. Being a
    `LocalDagRunner`, the `tfx` command's local engine takes it as one.
    """

    def __init__(
        self,
        before: Callable[[str, int, int], None] = lambda node, number, count: None,
        after: Callable[[NodeResult, int, int], None] = lambda result, number, count: None,
    ) -> None:
        """Construct the runner.

        Args:
          before: Called with (node, its number from 1, number of nodes) when a node starts.
          after: Called with (result, number, number of nodes) when it has ended well.
        """
        super().__init__()
        self._before, self._after = before, after
        self.results: dict[str, NodeResult] = {}

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None
    ) -> None:
        """Run the compiled pipeline; an error of a node comes out as it was raised."""
        run_id = datetime.datetime.now().isoformat()
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        if run_options:
            partial = run_options.partial_run
            partial_run_utils.mark_pipeline(
                pipeline,
                from_nodes=list(partial.from_nodes) or None,
                to_nodes=list(partial.to_nodes) or None,
                snapshot_settings=partial.snapshot_settings,
            )
        nodes = [node.pipeline_node for node in pipeline.nodes]
        for number, node in enumerate(nodes, start=1):
            self._run_node(pipeline, node, number, len(nodes))

    def _run_node(
        self,
        pipeline: pipeline_pb2.Pipeline,
        node: pipeline_pb2.PipelineNode,
        number: int,
        count: int,
    ) -> None:
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = deployment.metadata_connection_config
        handle = metadata.Metadata(getattr(connection, connection.WhichOneof("connection_config")))
        name, began = node.node_info.id, time.monotonic()
        self._before(name, number, count)
        if node.execution_options.HasField("skip"):
            result = NodeResult(name, "skipped", 0.0, "not asked for", {})
        else:
            if node.execution_options.run.perform_snapshot:
                with handle as connected:
                    partial_run_utils.snapshot(connected, pipeline)
            launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=handle,
                pipeline_info=pipeline.pipeline_info,
                pipeline_runtime_spec=pipeline.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, name),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, name),
            ).launch()
            with handle as connected:
                lineage = Lineage(connected.store, pipeline.pipeline_info.id)
                result = _result(lineage, node, time.monotonic() - began)
        self.results[name] = result
        self._after(result, number, count)


def _result(lineage: Lineage, node: pipeline_pb2.PipelineNode, seconds: float) -> NodeResult:
    name = node.node_info.id
    execution = lineage.executions(name)[0]
    if execution.last_known_state not in DONE:
        raise RuntimeError(f"{name} did not finish; its log has the cause")
    if node.node_info.type.name == RESOLVER:
        same, why = lineage.answer(execution, name)
        return NodeResult(name, "cached" if same else "done", seconds, why, {})
    state = "cached" if execution.last_known_state == CACHED else "done"
    outputs = {output.key: output for output in lineage.outputs(execution)}
    caching = node.execution_options.caching_options.enable_cache
    return NodeResult(name, state, seconds, lineage.why(execution, name, caching), outputs)
