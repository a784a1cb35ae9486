"""One loaded version of one model: its signatures and how to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.eager.cancellation import CancellationManager

from serving.cancel import cancellable
from serving.status import Code, StatusError, from_tensorflow

SERVE_TAG = "serve"
DEFAULT_SIGNATURE = "serving_default"

Run = Callable[..., Mapping[str, tf.Tensor]]


@dataclass(frozen=True, eq=False)
class Signature:
    """A callable signature beside its definition (feed names, dtypes, shapes, defaults)."""

    name: str
    definition: meta_graph_pb2.SignatureDef
    function: Any

    def run(
        self, inputs: Mapping[str, tf.Tensor], cancel: CancellationManager | None = None
    ) -> Mapping[str, tf.Tensor]:
        """Run the graph.

        Args:
          inputs: One tensor per input alias, of the dtype of the signature.
          cancel: Cancelling it abandons the run, so that its thread is free again.

        Raises:
          StatusError: What an operation answered, with its code.
        """
        function: Run = self.function
        try:
            with cancellable(cancel):
                return function(**inputs)
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from error


@dataclass(frozen=True, eq=False)
class Servable:
    """A loaded SavedModel; dropping the last reference frees its memory."""

    name: str
    version: int
    definitions: Mapping[str, meta_graph_pb2.SignatureDef]
    signatures: Mapping[str, Signature]
    loaded: Any
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
        loaded = tf.saved_model.load(str(path), tags=[SERVE_TAG])
    except tf.errors.OpError as error:
        fault = from_tensorflow(error)
        raise StatusError(fault.code, f"cannot load {path}: {fault.message}") from error
    except Exception as error:
        # The loader meets a damaged graph as KeyError, ValueError, TypeError, OSError and more.
        raise StatusError(Code.INTERNAL, f"cannot load {path}: {_one_line(error)}") from error
    signatures = {
        key: Signature(key, definitions[key], function)
        for key, function in loaded.signatures.items()
        if key in definitions
    }
    variables = {id(v): v for s in signatures.values() for v in s.function.variables}
    size = sum(v.shape.num_elements() * v.dtype.size for v in variables.values())
    size += (path / "saved_model.pb").stat().st_size
    return Servable(name, version, dict(definitions), signatures, loaded, size)


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
