"""The client's calls over REST: for networks that let only HTTP pass.

REST answers carry neither a version nor dtypes, so a prediction asks for the metadata first (which
version is meant, what its outputs are) and then that very version. Model configs have no REST form.
Bytes that are no text, as `generate_png` answers, come back over REST from the embedded server
only: TensorFlow Serving encodes them as base64 only in outputs named `*_bytes`.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from google.protobuf import json_format

from serving import rest_connection, wire
from serving.errors import RequestError, ServingError

_TRIES, _FIRST_PAUSE_S = 5, 0.1
_ODD = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What JSON of another shape than expected makes the code that reads it raise."""
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestTransport:
    """One server's REST address; tries again when the server is UNAVAILABLE, and only then."""

    def __init__(self, target: str, ca: Path | None, token: str | None) -> None:
        self._base = target.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        if ca and target.startswith("http://"):
            raise ServingError(f"{target} is not encrypted: a certificate file needs https://")
        try:
            tls = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise ServingError(f"cannot read the certificate file {ca}: {error}") from error
        self._http = rest_connection.opener(tls)

    def call(self, method: str, request: Any, answer: str, timeout_s: float) -> Any:
        """Call a method within `timeout_s` seconds, retries included."""
        try:
            return self._answer(method, request, answer, time.monotonic() + timeout_s)
        except (*_ODD, json_format.ParseError) as error:
            words = f"{type(error).__name__}: {error}"
            raise RequestError(
                "INTERNAL", f"{self._base} does not answer as a model server ({words})"
            ) from None

    def _answer(self, method: str, request: Any, answer: str, until: float) -> Any:
        if method == "PredictionService/Predict":
            return self._predict(request, until)
        if method == "PredictionService/GetModelMetadata":
            return self._metadata(request.model_spec, until)
        if method == "ModelService/GetModelStatus":
            shown = self._ask(_path(request.model_spec), None, until)
            return _parsed(shown, wire.message(answer)())
        raise RequestError("UNIMPLEMENTED", f"{method} is answered over gRPC only")

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _predict(self, request: Any, until: float) -> Any:
        found = self._metadata(request.model_spec, until)
        name = request.model_spec.signature_name or "serving_default"
        definition = _signatures(found).signature_def.get(name)
        if definition is None:
            raise RequestError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        inputs = {alias: _plain(wire.array(proto)) for alias, proto in request.inputs.items()}
        response = wire.message("PredictResponse")()
        response.model_spec.CopyFrom(found.model_spec)
        response.model_spec.signature_name = name
        body = {"signature_name": name, "inputs": inputs}
        outputs = self._ask(_path(found.model_spec) + ":predict", body, until)["outputs"]
        if len(definition.outputs) == 1:
            outputs = {next(iter(definition.outputs)): outputs}
        for alias, values in outputs.items():
            wire.fill(response.outputs[alias], _array(values, definition.outputs[alias].dtype))
        return response

    def _metadata(self, spec: Any, until: float) -> Any:
        shown = self._ask(f"{_path(spec)}/metadata", None, until)
        response = wire.message("GetModelMetadataResponse")()
        _parsed(shown["model_spec"], response.model_spec)
        signatures = _parsed(shown["metadata"]["signature_def"], wire.message("SignatureDefMap")())
        response.metadata["signature_def"].value = signatures.SerializeToString()
        return response

    def _ask(self, path: str, body: Any, until: float) -> Any:
        data = None if body is None else json.dumps(body).encode()
        pause = _FIRST_PAUSE_S
        for tries_left in reversed(range(_TRIES)):
            left = until - time.monotonic()
            try:
                return self._once(path, data, max(left, 0.001))
            except RequestError as error:
                if error.code != "UNAVAILABLE" or not tries_left or pause > left:
                    raise
                time.sleep(pause)
                pause *= 2
        raise AssertionError("the last try answers or raises")

    def _once(self, path: str, data: bytes | None, timeout_s: float) -> Any:
        request = urllib.request.Request(self._base + path, data, self._headers)
        until = time.monotonic() + timeout_s
        try:
            with self._http.open(request, timeout=timeout_s) as answer:
                return json.loads(_whole(answer, until))
        except urllib.error.HTTPError as error:
            with error:
                raise RequestError(_CODES.get(error.code, "UNKNOWN"), _words(error)) from None
        except TimeoutError:
            raise RequestError("DEADLINE_EXCEEDED", "Timed out") from None
        except ValueError as error:
            raise RequestError("INTERNAL", f"the answer is no JSON: {error}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            late = isinstance(reason, TimeoutError)
            raise RequestError(
                "DEADLINE_EXCEEDED" if late else "UNAVAILABLE", str(reason)
            ) from None
        except http.client.IncompleteRead:
            raise RequestError("UNAVAILABLE", "the answer was cut off") from None
        except http.client.HTTPException:
            words = f"{self._base} does not speak HTTP: give the REST port; gRPC is without http://"
            raise RequestError("INTERNAL", words) from None


def _whole(answer: Any, until: float) -> bytes:
    """Read a body within the call's time: a socket's limit is per read, and drops never meet it."""
    parts = []
    while part := answer.read1(1 << 20):
        parts.append(part)
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if answer.fp:  # None at the body's end
            answer.fp.raw._sock.settimeout(left)  # no public way leads there
    if answer.length:  # `read1` does not say so itself
        raise http.client.IncompleteRead(b"".join(parts), answer.length)
    return b"".join(parts)


def _path(spec: Any) -> str:
    path = f"/v1/models/{quote(spec.name, safe='')}"
    choice = spec.WhichOneof("version_choice")
    if choice == "version":
        return f"{path}/versions/{spec.version.value}"
    return f"{path}/labels/{quote(spec.version_label, safe='')}" if choice else path


def _parsed(shown: Any, message: Any) -> Any:
    return json_format.ParseDict(shown, message, ignore_unknown_fields=True)


def _signatures(found: Any) -> Any:
    return wire.message("SignatureDefMap").FromString(found.metadata["signature_def"].value)


def _words(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return f"HTTP {error.code} {error.reason}"


def _plain(array: np.ndarray) -> Any:
    if array.dtype != np.object_:
        return array.tolist()
    encode = np.frompyfunc(lambda data: {"b64": base64.b64encode(data).decode()}, 1, 1)
    return np.asarray(encode(array), np.object_).tolist()


def _array(values: Any, dtype: int) -> np.ndarray:
    kind = wire.numpy_dtype(dtype)
    array = np.array(values, kind)
    if kind != np.object_:
        return array
    return np.asarray(np.frompyfunc(_bytes, 1, 1)(array), np.object_)


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
