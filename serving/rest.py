"""The REST face: predict, status and metadata as `http_rest_api_handler.cc` answers them."""

from __future__ import annotations

import json
import logging
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from tensorflow.python.eager.cancellation import CancellationManager
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2, predict_pb2

from serving import rest_json
from serving.core import ServerCore
from serving.errors import ServingError
from serving.metadata import metadata
from serving.predict import predict
from serving.servable import DEFAULT_SIGNATURE, Servable
from serving.status import Code, StatusError, invalid, truncated

log = logging.getLogger("serving")
MAX_BODY_BYTES = 256 << 20
TIMEOUT_S = 30.0

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|:classify|:regress|/metadata)?/?",
    re.IGNORECASE,
)
_HTTP = {
    Code.INVALID_ARGUMENT: 400,
    Code.FAILED_PRECONDITION: 400,
    Code.OUT_OF_RANGE: 400,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.ABORTED: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.CANCELLED: 499,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.DEADLINE_EXCEEDED: 504,
}


class RestServer(ThreadingHTTPServer):
    """A REST server on a port of its own, for the models of one `ServerCore`."""

    daemon_threads = True
    # Two servers must not share a port quietly; HTTPServer would set this only for restarts.
    allow_reuse_port = False

    def __init__(self, core: ServerCore, host: str, port: int) -> None:
        self.core = core
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise ServingError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self.serve_forever, name="rest", daemon=True)

    def start(self) -> None:
        """Answer in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests and close the port."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # a client that sends nothing does not hold its thread for ever
    server: RestServer

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,12}", length) or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            message = f"Content-Length must be a number up to {MAX_BODY_BYTES}"
            self._send(413 if length.isdigit() else 411, _error(message))
            return
        self._answer("POST", self.rfile.read(int(length)))

    def _answer(self, verb: str, body: bytes) -> None:
        path = self.path.split("?")[0]
        if not path.lower().startswith("/v1/"):
            self.send_error(404)
            return
        try:
            self._send(200, _routed(self.server.core, verb, path, body))
        except StatusError as error:
            self._send(_HTTP.get(error.code, 500), _error(error.message))
        except Exception as error:
            log.exception("a request failed in an unforeseen way")
            self._send(500, _error(f"{type(error).__name__}: {error}"))

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged, as they are not over gRPC."""


def _error(message: str) -> bytes:
    return json.dumps({"error": truncated(message)}).encode()


def _routed(core: ServerCore, verb: str, path: str, body: bytes) -> bytes:
    match = _PATH.fullmatch(path)
    what = (match["what"] or "").lower() if match else ""
    if match is None or verb != ("POST" if what.startswith(":") else "GET"):
        raise invalid(f"Malformed request: {verb} {path}")
    spec = model_pb2.ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        spec.version.value = min(int(match["version"]), 2**63 - 1)
    elif match["label"]:
        spec.version_label = unquote(match["label"])
    if what == ":predict":
        return _predict(core, spec, rest_json.parse(body))
    if what == "/metadata":
        return _metadata(core, spec)
    if what:
        # Known paths whose JSON form (examples as objects) only classifiers of features use.
        raise StatusError(Code.UNIMPLEMENTED, f"{what[1:]} is answered over gRPC only")
    return _json(core.status(spec), always_print_fields_with_no_presence=True)


def _predict(core: ServerCore, spec: model_pb2.ModelSpec, body: dict[str, Any]) -> bytes:
    name = body.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(name, str):
        raise invalid("'signature_name' key must be a string value.")
    with core.use(spec) as servable:
        return _run(servable, name, body)


def _run(servable: Servable, name: str, body: dict[str, Any]) -> bytes:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = name
    row = rest_json.fill_inputs(request, body, signature.definition)
    cancel = CancellationManager()
    limit = threading.Timer(TIMEOUT_S, cancel.start_cancel)
    limit.daemon = True
    limit.start()
    try:
        return rest_json.answer(predict(servable, request, cancel), row)
    except StatusError as error:
        if error.code == Code.CANCELLED:
            raise StatusError(Code.DEADLINE_EXCEEDED, "Timed out") from error
        raise
    finally:
        limit.cancel()


def _metadata(core: ServerCore, spec: model_pb2.ModelSpec) -> bytes:
    with core.use(spec) as servable:
        response = metadata(servable)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    shown = {
        "model_spec": _dict(response.model_spec),
        "metadata": {"signature_def": _dict(signatures)},
    }
    return json.dumps(shown).encode()


def _dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(message: Any, **options: bool) -> bytes:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=1, **options
    ).encode()
