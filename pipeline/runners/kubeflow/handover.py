"""How a node reaches its container: its own slice of TFX's IR, compressed into one argument.

Every node is in the package exactly once, so nothing is repeated and an edit of one node changes
one task.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from typing import Any

from google.protobuf import message
from tfx.proto.orchestration import pipeline_pb2

from trainer.errors import UserError

LIMIT = 100_000
"""Characters in one argument; Linux allows 131,072 bytes."""


def nodes(ir: pipeline_pb2.Pipeline) -> list[pipeline_pb2.PipelineNode]:
    """Return the pipeline's nodes in topological order.

    Raises:
      UserError: It has pipelines inside, which Kubeflow tasks cannot stand for.
    """
    for node in ir.nodes:
        if node.WhichOneof("node") != "pipeline_node":
            inner = node.sub_pipeline.pipeline_info.id
            raise UserError(
                f"pipeline '{ir.pipeline_info.id}' has pipeline '{inner}' inside: put its nodes "
                "into the outer one"
            )
    return [node.pipeline_node for node in ir.nodes]


def cut(ir: pipeline_pb2.Pipeline, node_id: str) -> pipeline_pb2.Pipeline:
    """Return `ir` with this node alone: itself, its executor and driver, the pipeline's frame."""
    part = pipeline_pb2.Pipeline(
        pipeline_info=ir.pipeline_info,
        runtime_spec=ir.runtime_spec,
        execution_mode=ir.execution_mode,
    )
    part.nodes.extend(node for node in ir.nodes if node.pipeline_node.node_info.id == node_id)
    whole, own = (pipeline_pb2.IntermediateDeploymentConfig() for _ in range(2))
    ir.deployment_config.Unpack(whole)
    for table in ("executor_specs", "custom_driver_specs", "node_level_platform_configs"):
        if node_id in getattr(whole, table):
            getattr(own, table)[node_id].CopyFrom(getattr(whole, table)[node_id])
    part.deployment_config.Pack(own, deterministic=True)
    return part


def pack(content: message.Message | dict[str, Any]) -> str:
    """Compress a message or JSON object into text; equal contents give equal text.

    Raises:
      UserError: It is too large for an argument.
    """
    if isinstance(content, dict):
        data = json.dumps(content, sort_keys=True).encode()
    else:
        data = content.SerializeToString(deterministic=True)
    text = base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
    if len(text) > LIMIT:
        raise UserError(
            f"a node's settings come to {len(text):,} characters and at most {LIMIT:,} fit into an "
            "argument: put what is large into files and name them"
        )
    return text


def unpack_node(text: str) -> pipeline_pb2.Pipeline:
    """Read what `pack` wrote of a `cut`.

    Raises:
      UserError: It was changed.
    """
    try:
        return pipeline_pb2.Pipeline.FromString(_decompress(text))
    except message.DecodeError:
        raise _broken() from None


def unpack_json(text: str) -> dict[str, Any]:
    """Read what `pack` wrote of a JSON object.

    Raises:
      UserError: It was changed.
    """
    try:
        found: dict[str, Any] = json.loads(_decompress(text))
    except ValueError:
        raise _broken() from None
    return found


def _decompress(text: str) -> bytes:
    try:
        return gzip.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, OSError, EOFError):
        raise _broken() from None


def _broken() -> UserError:
    return UserError("the package was edited by hand (a node cannot be read): compile it again")
