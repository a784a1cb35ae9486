"""How a client's messages reach a server: over gRPC, with TLS and a token if asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc

from serving import wire
from serving.errors import RequestError, ServingError

SECURE = "grpcs://"

# gRPC itself retries, within the deadline of the call: five tries is the most it allows.
_RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.service_config", json.dumps(_RETRIES)),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


class Transport(Protocol):
    """Carries one call after the other; `RequestError` has the server's code and words."""

    def call(self, method: str, request: Any, answer: str, timeout_s: float) -> Any:
        """Call `tensorflow.serving.METHOD` and return the message of type `answer`."""

    def close(self) -> None:
        """Close the connection."""


def connect(target: str, ca: Path | None = None, token: str | None = None) -> Transport:
    """Return the transport an address asks for, not yet connected; see `serving.options.Address`.

    Raises:
      ServingError: If the `ca` file cannot be read, or does not go with http://; or if an
        http address has no valid host or port.
    """
    if target.startswith(("http://", "https://")):
        _check_url(target)
        from serving.rest_transport import RestTransport

        return RestTransport(target, ca, token)
    return GrpcTransport(target, ca, token)


def _check_url(target: str) -> None:
    try:
        parts = urlsplit(target)
        valid = parts.hostname and parts.port != 0  # a port that is no number raises
    except ValueError:
        valid = False
    if not valid or not target.isprintable() or " " in target:
        raise ServingError(f"'{target}' is no address: give http://HOST:PORT or https://HOST:PORT")


class GrpcTransport:
    """One channel; calls are retried when the server is UNAVAILABLE, and only then."""

    def __init__(self, target: str, ca: Path | None, token: str | None) -> None:
        host = target.removeprefix(SECURE)
        self._metadata = [("authorization", f"Bearer {token}")] if token else None
        if ca is None and not target.startswith(SECURE):
            self._channel = grpc.insecure_channel(host, options=_OPTIONS)
            return
        try:
            roots = ca.read_bytes() if ca else None
        except OSError as error:
            raise ServingError(f"cannot read the certificate file {ca}: {error}") from error
        credentials = grpc.ssl_channel_credentials(roots)
        self._channel = grpc.secure_channel(host, credentials, options=_OPTIONS)

    def call(self, method: str, request: Any, answer: str, timeout_s: float) -> Any:
        """Call a method within `timeout_s` seconds, retries included."""
        call = self._channel.unary_unary(
            f"/tensorflow.serving.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=wire.message(answer).FromString,
        )
        try:
            return call(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise RequestError(error.code().name, error.details()) from None
        except ValueError:  # grpc's one word for it
            raise RequestError("CANCELLED", "this client is closed") from None

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
