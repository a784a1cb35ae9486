"""REST over HTTP: verbs, bodies, token and status codes around `rest_routes`."""

from __future__ import annotations

import json
import logging
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from serving import metrics, rest_body, rest_routes
from serving.bearer import MISSING, allowed
from serving.rest_body import RefusedError
from serving.status import Code, StatusError, truncated

if TYPE_CHECKING:
    from serving.rest import RestServer

log = logging.getLogger("serving")

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


class Handler(BaseHTTPRequestHandler):
    """One connection: its requests, one after the other."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # a client that sends nothing does not hold its thread for ever
    disable_nagle_algorithm = True  # head and body are two writes: without it each waits 40 ms
    server: RestServer

    def do_GET(self) -> None:
        """Answer a request of any verb: the contract has words for the wrong ones too."""
        try:
            self._may()
            body = self._body()
        except RefusedError as refused:
            self.close_connection = True  # what it sent, or will send, is no request
            self._send(refused.status, _error(str(refused)), extra=refused.headers)
            return
        self.server.count(1)
        try:
            self._answer(body)
        finally:
            self.server.count(-1)

    def __getattr__(self, name: str) -> Any:
        """Send every verb the same way: the library looks for a method `do_VERB`."""
        if name.startswith("do_"):
            return self.do_GET
        raise AttributeError(name)

    def finish(self) -> None:
        """End the connection in its client's time."""
        super().finish()
        rest_body.close_gently(self.connection)

    def _may(self) -> None:
        token = self.server.engine.options.token
        # A browser asks with OPTIONS whether it may send the token.
        if token is None or self.command == "OPTIONS":
            return
        if not allowed(self.headers.get("Authorization", ""), token):
            raise RefusedError(401, MISSING, {"WWW-Authenticate": "Bearer"})

    def _body(self) -> bytes:
        largest = self.server.engine.options.limits.request_bytes
        return rest_body.read(self.rfile, self.headers, self.command, self.request_version, largest)

    def _answer(self, body: bytes) -> None:
        engine, verb = self.server.engine, self.command
        path = self.path.split("?")[0]
        if verb == "OPTIONS" and engine.options.cors:
            self._send(200, b"")
            return
        if verb == "GET" and path == engine.options.metrics_path:
            self._send(200, engine.metrics.page(), metrics.CONTENT_TYPE)
            return
        if not path.lower().startswith("/v1/"):
            self.send_error(404)
            return
        try:
            self._send(200, rest_routes.answer(engine, verb, path, body))
        except StatusError as error:
            self._send(_HTTP.get(error.code, 500), _error(error.message))
        except ConnectionError:
            raise  # the client hung up: there is nobody to answer
        except Exception as error:
            log.exception("a request failed in an unforeseen way")
            self._send(500, _error(f"{type(error).__name__}: {error}"))

    def _send(
        self,
        code: int,
        body: bytes,
        kind: str = "application/json",
        extra: dict[str, str] | None = None,
    ) -> None:
        # Served to its end even when the server is stopping: only then the connection closes.
        self.close_connection = self.close_connection or self.server.stopping
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in {**(extra or {}), **self._cors()}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _cors(self) -> dict[str, str]:
        if not self.server.engine.options.cors:
            return {}
        return {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST, GET",
            "Access-Control-Allow-Headers": "Content-Type, Authorization",
        }

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged, as they are not over gRPC."""


def _error(message: str) -> bytes:
    return json.dumps({"error": truncated(message)}).encode()
