"""The REST server: a port of its own, with TLS and a clean stop, around `rest_handler`."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from http.server import ThreadingHTTPServer
from typing import Any

from serving.engine import Engine
from serving.errors import ServingError
from serving.options import Tls
from serving.rest_handler import Handler

log = logging.getLogger("serving")


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
        try:
            self.address_family, where = _where(options.host, options.rest_port or 0)
            super().__init__(where, Handler)
        except OSError as error:
            raise ServingError(
                f"cannot listen on {options.host}:{options.rest_port}: {error.strerror}"
            ) from error
        self._tls = _tls_context(options.tls) if options.tls else None
        self._thread = threading.Thread(target=self.serve_forever, name="rest", daemon=True)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS in the connection's own thread: a slow handshake must not hold the others."""
        if self._tls:
            request.settimeout(Handler.timeout)
            request = self._tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a connection that broke; clients that hang up are no news."""
        log.debug("a REST connection ended", exc_info=True)

    def count(self, change: int) -> None:
        """Note that a request has wholly arrived (1) or was answered (-1)."""
        with self._changed:
            self._under_way += change
            self._changed.notify_all()

    def start(self) -> None:
        """Answer in a thread of its own."""
        self._thread.start()

    def stop(self, grace_s: float) -> None:
        """Take no more connections, wait for the answers under way, close the port.

        A request that has not wholly arrived is not waited for: its client may never send the rest.
        """
        self.stopping = True
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        until = time.monotonic() + grace_s
        with self._changed:
            while self._under_way and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
        self.server_close()


def _where(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Return a host's address; IPv4 first for names that have both, as localhost does."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


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
