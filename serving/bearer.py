"""The bearer token: every request but a health check must carry it."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import grpc

MISSING = "This server wants a bearer token: authorization: Bearer TOKEN"
_OPEN = ("/grpc.health.v1.Health/",)


def allowed(header: str | bytes, token: str) -> bool:
    """Return whether an Authorization header carries the token, in constant time."""
    given = header if isinstance(header, bytes) else header.encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, b"Bearer " + token.encode())


class TokenInterceptor(grpc.ServerInterceptor):
    """Refuses calls without the token as UNAUTHENTICATED, before their messages are read."""

    def __init__(self, token: str) -> None:
        self._token = token
        # As a stream, whatever the method is: only so no thread waits for the request's message.
        self._refusal = grpc.stream_stream_rpc_method_handler(
            lambda _, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, MISSING)
        )

    def intercept_service(
        self, continuation: Callable[[Any], Any], handler_call_details: Any
    ) -> Any:
        """Let a call pass that carries the token or asks for health."""
        if handler_call_details.method.startswith(_OPEN):
            return continuation(handler_call_details)
        for key, value in handler_call_details.invocation_metadata:
            if key == "authorization" and allowed(value, self._token):
                return continuation(handler_call_details)
        return self._refusal
