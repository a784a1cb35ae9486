"""One loaded version of one model: its signatures and how to run them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from serving.graph import Arrays, Graph
from serving.status import Code, StatusError, from_tensorflow, invalid

SERVE_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"
_INIT = "__saved_model_init_op"
"""Where the SavedModel keeps the operation that fills its tables."""


@dataclass(frozen=True)
class Signature:
    """A part of a graph by the names clients use (feed names, dtypes, shapes, defaults).

    Equal ones compute the same: requests for them may share a batch.
    """

    name: str
    definition: meta_graph_pb2.SignatureDef = field(compare=False)
    graph: Graph
    chosen: tuple[str, ...] = ()
    """Aliases of the outputs to compute; none: all."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Aliases of the outputs that `run` computes."""
        return self.chosen or tuple(self.definition.outputs)

    def only(self, outputs: Iterable[str]) -> Signature:
        """Return this signature without its other outputs: nobody asks for them."""
        chosen = tuple(sorted(outputs))
        return self if len(chosen) == len(self.definition.outputs) else replace(self, chosen=chosen)

    def run(
        self, inputs: Mapping[str, np.ndarray], timeout_s: float | None = None
    ) -> dict[str, np.ndarray]:
        """Compute the outputs.

        Args:
          inputs: One array per input alias, of the dtype of the signature; strings as objects.
          timeout_s: Give up after so many seconds, so that the thread is free again.

        Raises:
          StatusError: What an operation answered, with its code; DEADLINE_EXCEEDED in time.
        """
        definition = self.definition
        feeds = {definition.inputs[alias].name: array for alias, array in inputs.items()}
        fetches = [definition.outputs[alias].name for alias in self.outputs]
        try:
            made = self.graph.run(feeds, fetches, timeout_s)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error
        except (KeyError, ValueError) as error:
            raise invalid(f"signature {self.name} has a tensor that the graph has not") from error
        return dict(zip(self.outputs, made, strict=True))


Run: TypeAlias = Callable[[Signature, Arrays], Arrays]
"""Runs a signature on inputs of the right names and dtypes; `Signature.run` is one."""


@dataclass(frozen=True, eq=False)
class Servable:
    """A loaded SavedModel; dropping the last reference frees its memory."""

    name: str
    version: int
    definitions: Mapping[str, meta_graph_pb2.SignatureDef]
    signatures: Mapping[str, Signature]
    memory: int = 0
    """Bytes of its variables and its graph."""

    def signature(self, name: str) -> Signature | None:
        """Return the signature of that name; an empty name means `serving_default`."""
        return self.signatures.get(name or DEFAULT_SIGNATURE)


def load(name: str, version: int, path: Path) -> Servable:
    """Load the `serve` graph of a SavedModel folder.

    Raises:
      StatusError: If the folder is not a complete SavedModel; the message names the folder.
    """
    definitions = _meta_graph(path).signature_def
    try:
        graph = Graph(path, SERVE_TAG)
    except tf.errors.OpError as error:
        fault = from_tensorflow(error)
        raise StatusError(fault.code, f"cannot load {path}: {fault.message}") from error
    except Exception as error:
        # The loader meets a damaged graph as KeyError, ValueError, TypeError, OSError and more.
        raise StatusError(Code.INTERNAL, f"cannot load {path}: {_one_line(error)}") from error
    signatures = {
        key: Signature(key, definition, graph)
        for key, definition in definitions.items()
        if key != _INIT
    }
    files = [path / "saved_model.pb", *path.glob("variables/variables.data-*")]
    size = sum(file.stat().st_size for file in files)
    return Servable(name, version, dict(definitions), signatures, size)


def _meta_graph(path: Path) -> meta_graph_pb2.MetaGraphDef:
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise StatusError(
            Code.NOT_FOUND, f"no readable saved_model.pb in {path}: {error}"
        ) from error
    for graph in saved.meta_graphs:
        if SERVE_TAG in graph.meta_info_def.tags:
            return graph
    raise StatusError(Code.NOT_FOUND, f"no graph with the tag '{SERVE_TAG}' in {path}")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
