"""What TensorFlow Serving would miss in a SavedModel: variables that its restore does not set.

`tf.saved_model.load`, and with it the embedded server, finds variables by the saved objects. The
C++ server runs the graph's restore operation instead; a variable that a signature reads and that
operation does not set lets every request there fail with "Could not find variable". The graph
alone tells, so nothing is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serving import wire

TAG = "serve"


def unrestored(saved_model: Path) -> list[str]:
    """Return the names of variables that signatures read and the restore operation does not set.

    Args:
      saved_model: Folder with saved_model.pb.

    Returns:
      Sorted; empty for a model without signatures or variables.

    Raises:
      OSError: There is no saved_model.pb, or it cannot be read.
      google.protobuf.message.DecodeError: It is none.
    """
    content = (saved_model / "saved_model.pb").read_bytes()
    graphs = wire.message("SavedModel", "tensorflow.").FromString(content).meta_graphs
    names: set[str] = set()
    for graph in graphs:
        if TAG in graph.meta_info_def.tags:
            nodes = {node.name: node for node in graph.graph_def.node}
            # By the names of tensors; sparse and composite ones have none and their parts do.
            answers = (o.name for s in graph.signature_def.values() for o in s.outputs.values())
            read = _behind(nodes, answers)
            restored = _behind(nodes, [graph.saver_def.restore_op_name])
            lost = (nodes[name] for name in read - restored if nodes[name].op == "VarHandleOp")
            names |= {node.attr["shared_name"].s.decode() or node.name for node in lost}
    return sorted(names)


def _behind(nodes: Mapping[str, Any], ends: Iterable[str]) -> set[str]:
    """Return all nodes that some operations or tensors depend on, themselves included."""
    found: set[str] = set()
    waiting = list(ends)
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            waiting.extend(nodes[name].input)
    return found
