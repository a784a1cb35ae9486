"""HTTP for the client: an answer is read also where the server did not take the whole request."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import urllib.request
from typing import Any

# What a send meets when the other side has closed.
_CLOSED = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


def opener(tls: ssl.SSLContext) -> urllib.request.OpenerDirector:
    """Return what opens http:// and https:// addresses (proxies as the environment says)."""
    return urllib.request.build_opener(_Http, _Https(context=tls))


class _Patient(http.client.HTTPConnection):
    """Leaves it to the reading of the answer to find out whether the connection is dead.

    A server that refuses a body for its size answers and closes while the body is being sent.
    """

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # where a refusal is one
        with contextlib.suppress(*_CLOSED):
            super().send(data)


class _PatientTls(_Patient, http.client.HTTPSConnection):
    pass


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Patient, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._given = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PatientTls, req, context=self._given)
