"""The REST face: HTTP around `rest_routes`, with metrics, TLS, a token and a clean stop."""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from serving import metrics, rest_routes
from serving.bearer import MISSING, allowed
from serving.engine import Engine
from serving.errors import ServingError
from serving.options import Tls
from serving.status import Code, StatusError, truncated

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


class RestServer(ThreadingHTTPServer):
    """A REST server on a port of its own, for the models of one `Engine`."""

    daemon_threads = True
    # Two servers must not share a port quietly; HTTPServer would set this only for restarts.
    allow_reuse_port = False
    request_queue_size = 128

    def __init__(self, engine: Engine) -> None:
        options = engine.options
        self.engine, self.stopping = engine, False
        self._under_way, self._changed = 0, threading.Condition()
        where = (options.host, options.rest_port or 0)
        try:
            super().__init__(where, _Handler)
        except OSError as error:
            raise ServingError(
                f"cannot listen on {options.host}:{options.rest_port}: {error.strerror}"
            ) from error
        self._tls = _tls_context(options.tls) if options.tls else None
        self._thread = threading.Thread(target=self.serve_forever, name="rest", daemon=True)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS in the connection's own thread: a slow handshake must not hold the others."""
        if self._tls:
            request.settimeout(_Handler.timeout)
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a connection that broke; clients that hang up are no news."""
        log.debug("a REST connection ended", exc_info=True)

    def count(self, change: int) -> None:
        """Note that a request began (1) or was answered (-1)."""
        with self._changed:
            self._under_way += change
            self._changed.notify_all()

    def start(self) -> None:
        """Answer in a thread of its own."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Take no more connections, wait for the answers under way, close the port."""
        self.stopping = True
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        until = time.monotonic() + grace_s
        with self._changed:
            while self._under_way and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
        self.server_close()


def _tls_context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        raise ServingError(
            f"{tls.certificate} and {tls.key} are no certificate and its key: {error}"
        ) from error
    return context


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60  # a client that sends nothing does not hold its thread for ever
    disable_nagle_algorithm = True  # head and body are two writes: without it each waits 40 ms
    server: RestServer

    def do_GET(self) -> None:
        self._counted("GET")

    def do_POST(self) -> None:
        self._counted("POST")

    def do_OPTIONS(self) -> None:
        """Answer a browser's question before a request from another site."""
        self._send(200 if self.server.engine.options.cors else 405, b"")

    def _counted(self, verb: str) -> None:
        self.server.count(1)
        try:
            # Served to its end even when the server is stopping: only then the connection closes.
            self.close_connection = self.close_connection or self.server.stopping
            body = self._body() if verb == "POST" else b""
            if body is not None and self._may():
                self._answer(verb, body)
        finally:
            self.server.count(-1)

    def _body(self) -> bytes | None:
        """Return the body, or None if it was refused."""
        largest = self.server.engine.options.limits.request_bytes
        length = self.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,12}", length) and int(length) <= largest:
            return self.rfile.read(int(length))
        self.close_connection = True
        message = f"Content-Length must be a number up to {largest}"
        self._send(413 if length.isdigit() else 411, _error(message))
        return None

    def _may(self) -> bool:
        token = self.server.engine.options.token
        if token is None or allowed(self.headers.get("Authorization", ""), token):
            return True
        self._send(401, _error(MISSING), extra={"WWW-Authenticate": "Bearer"})
        return False

    def _answer(self, verb: str, body: bytes) -> None:
        engine = self.server.engine
        path = self.path.split("?")[0]
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
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in {**(extra or {}), **self._cors()}.items():
            self.send_header(name, value)
        self.end_headers()
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
