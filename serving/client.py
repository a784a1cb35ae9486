"""Client for generators and captioners on the embedded server or on TensorFlow Serving.

Needs grpcio, protobuf and numpy; TensorFlow is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from serving import wire
from serving.errors import (
    DeadlineError,
    NotFoundError,
    RejectedError,
    RequestError,
    UnavailableError,
)
from serving.options import Address
from serving.transport import connect

_STATES = {10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_ERRORS: dict[str, type[RequestError]] = {
    "NOT_FOUND": NotFoundError,
    "INVALID_ARGUMENT": RejectedError,
    "FAILED_PRECONDITION": RejectedError,
    "OUT_OF_RANGE": RejectedError,
    "UNAVAILABLE": UnavailableError,
    "DEADLINE_EXCEEDED": DeadlineError,
}

Version = int | str | None


class Answer(NamedTuple):
    """Output arrays by name, and the version of the model that made them."""

    outputs: Mapping[str, np.ndarray]
    version: int


class Images(NamedTuple):
    """Generated images, uint8[B,H,W,C], and the version of the model that made them."""

    images: np.ndarray
    version: int


class Values(NamedTuple):
    """Generated numbers, float32[B], and the version of the model that made them."""

    values: np.ndarray
    version: int


class Pngs(NamedTuple):
    """Generated images as PNG files, and the version of the model that made them."""

    pngs: list[bytes]
    version: int


class Captions(NamedTuple):
    """Sentences, their log probabilities float32[B], and the version that wrote them."""

    captions: list[str]
    log_probs: np.ndarray
    version: int


class VersionStatus(NamedTuple):
    """State of one version: START, LOADING, AVAILABLE, UNLOADING or END; error if it failed."""

    version: int
    state: str
    error: str


class Client:
    """One model on one server; use as a context manager or call `close`.

    Calls are retried with growing pauses when the server is UNAVAILABLE, and only then. `version`
    chooses one: a number, a label ("stable"), or None for the latest.

    Args:
      target: HOST:PORT (gRPC), grpcs://HOST:PORT (gRPC with TLS), http:// or https:// (REST); or
        an `Address`, which brings its `ca` and `token`.
      model: Its name on the server.
      timeout_s: For each call, retries included.
      ca: PEM file to check the server's certificate with; asks for TLS.
      token: Bearer token the server wants.

    Raises (every method):
      RequestError: Or one of its subclasses, by what the server answered.
    """

    def __init__(
        self,
        target: str | Address,
        model: str,
        *,
        timeout_s: float = 30.0,
        ca: Path | None = None,
        token: str | None = None,
    ) -> None:
        given = Address(target, ca, token) if isinstance(target, str) else target
        self.address, self.target = given, given.target
        self.model, self._timeout_s = model, timeout_s
        self._transport = connect(*given)

    def generate(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, version: Version = None
    ) -> Images:
        """Return one image per seed (and label, for conditional models)."""
        answer = self.predict("generate", _latents(seeds, labels), version)
        return Images(_output(answer, "image"), answer.version)

    def generate_values(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, version: Version = None
    ) -> Values:
        """Return one number per seed (and label), from a model that makes single numbers."""
        answer = self.predict("generate", _latents(seeds, labels), version)
        return Values(_output(answer, "value")[:, 0], answer.version)

    def generate_png(
        self, seeds: Sequence[int], labels: Sequence[int] | None = None, version: Version = None
    ) -> Pngs:
        """Return one PNG file per seed (and label, for conditional models)."""
        answer = self.predict("generate_png", _latents(seeds, labels), version)
        return Pngs(_output(answer, "png").tolist(), answer.version)

    def caption(self, images: Sequence[bytes], version: Version = None) -> Captions:
        """Return one sentence per encoded image (JPEG or PNG)."""
        inputs = {"image_bytes": np.array(list(images), np.object_)}
        answer = self.predict("caption", inputs, version)
        sentences = [text.decode() for text in _output(answer, "caption").tolist()]
        return Captions(sentences, _output(answer, "log_prob"), answer.version)

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray], version: Version = None
    ) -> Answer:
        """Run any signature on arrays (strings: see `wire.fill`); "" means `serving_default`."""
        request = wire.message("PredictRequest")()
        self._choose(request.model_spec, version)
        request.model_spec.signature_name = signature
        for alias, values in inputs.items():
            try:
                wire.fill(request.inputs[alias], np.asarray(values))
            except ValueError as error:
                raise RejectedError("INVALID_ARGUMENT", f"input '{alias}': {error}") from None
        response = self._call("PredictionService/Predict", request, "PredictResponse")
        try:
            outputs = {alias: wire.array(proto) for alias, proto in response.outputs.items()}
        except ValueError as error:
            raise self._typed("INTERNAL", f"{error}") from None
        return Answer(outputs, response.model_spec.version.value)

    def status(self) -> list[VersionStatus]:
        """Return every version the server has seen, highest first."""
        request = wire.message("GetModelStatusRequest")()
        request.model_spec.name = self.model
        response = self._call("ModelService/GetModelStatus", request, "GetModelStatusResponse")
        rows = [
            VersionStatus(row.version, _STATES.get(row.state, "UNKNOWN"), row.status.error_message)
            for row in response.model_version_status
        ]
        return sorted(rows, reverse=True)

    def metadata(self, version: Version = None) -> dict[str, Any]:
        """Return the SignatureDefs by name (protobuf messages) of one version."""
        request = wire.message("GetModelMetadataRequest")(metadata_field=["signature_def"])
        self._choose(request.model_spec, version)
        response = self._call(
            "PredictionService/GetModelMetadata", request, "GetModelMetadataResponse"
        )
        signatures = wire.message("SignatureDefMap")()
        signatures.ParseFromString(response.metadata["signature_def"].value)
        return dict(signatures.signature_def)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _choose(self, spec: Any, version: Version) -> None:
        spec.name = self.model
        if isinstance(version, str):
            spec.version_label = version
        elif version is not None:
            try:
                spec.version.value = version
            except (ValueError, TypeError):  # what protobuf says names neither
                raise RejectedError(
                    "INVALID_ARGUMENT",
                    f"version {version!r}: give a label, or a number up to {2**63 - 1}",
                ) from None

    def _call(self, method: str, request: Any, answer: str) -> Any:
        try:
            return self._transport.call(method, request, answer, self._timeout_s)
        except RequestError as error:
            raise self._typed(error.code, str(error)) from None

    def _typed(self, code: str, details: str) -> RequestError:
        kind = _ERRORS.get(code, RequestError)
        if kind is UnavailableError:
            details = f"no model server answers at {self.target}: {details}"
        elif kind is DeadlineError:
            details = f"no answer from {self.target} within {self._timeout_s:g} s"
        return kind(code, f"{details} (model '{self.model}')")


def _latents(seeds: Sequence[int], labels: Sequence[int] | None) -> dict[str, np.ndarray]:
    try:
        inputs = {"seed": np.array(seeds, np.int64)}
        if labels is not None:
            inputs["label"] = np.array(labels, np.int64)
    except (OverflowError, ValueError, TypeError) as error:
        words = f"seeds and labels are integers of 64 bits: {error}"
        raise RejectedError("INVALID_ARGUMENT", words) from None
    return inputs


def _output(answer: Answer, name: str) -> np.ndarray:
    if name not in answer.outputs:
        given = ", ".join(sorted(answer.outputs))
        words = f"version {answer.version} answers {given} and no '{name}': it makes something else"
        raise RejectedError("FAILED_PRECONDITION", words)
    return answer.outputs[name]
