"""A REST request's body by its framing, and a close that does not overtake the answer."""

from __future__ import annotations

import contextlib
import re
import socket
import time
import zlib
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from email.message import Message
from io import BufferedIOBase

LINGER_S = 10.0
"""How long a closing connection may go on sending what nobody reads, in seconds."""
SILENCE_S = 2.0
"""How long it may be silent meanwhile."""

_CHUNK = 1 << 16
_LINE, _TRAILERS = 1 << 12, 100  # lines around chunks: how long, how many behind the last
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(;[^\r\n]*)?\r\n")
_GZIP = 16 + zlib.MAX_WBITS
# Lines behind which Python's parser finds no more headers, or which it skips.
_HIDING = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)


class RefusedError(Exception):
    """A request that is answered with an HTTP status before its body is read."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


def read(stream: BufferedIOBase, headers: Message, verb: str, version: str, largest: int) -> bytes:
    """Return what follows the headers: as many bytes as they say or chunks, unpacked if gzipped.

    A length that a proxy in front could read otherwise is refused: what one of them takes for a
    body, the other would take for the next request.

    Raises:
      RefusedError: 400 for headers or chunks that can be read in two ways, for a body that ends
        early or is not the gzip it is said to be; 411 without a length; 413 for more than
        `largest` bytes, before or after unpacking.
    """
    given = headers.get_all("Content-Length", [])
    coding = headers.get_all("Transfer-Encoding", [])
    if any(isinstance(defect, _HIDING) for defect in headers.defects):
        raise RefusedError(400, "Malformed request: a header line is not NAME: VALUE")
    if len(given) + len(coding) > 1:
        raise RefusedError(400, "Malformed request: the length of the body is given twice")
    if coding and coding[0].strip(" \t").lower() == "chunked" and version == "HTTP/1.1":
        body = _chunks(stream, largest)
    elif coding or (not given and verb == "POST"):
        raise RefusedError(411, _needed(largest))
    else:
        body = _bytes(stream, given[0].strip(" \t") if given else "0", largest)
    packed = body and "gzip" in headers.get("Content-Encoding", "").lower()
    return _unpacked(body, largest) if packed else body


def _needed(largest: int) -> str:
    return f"Content-Length must be a number up to {largest}"


def _bytes(stream: BufferedIOBase, digits: str, largest: int) -> bytes:
    if not re.fullmatch(r"[0-9]+", digits):
        raise RefusedError(400, _needed(largest))
    if len(digits) > 12 or int(digits) > largest:
        raise RefusedError(413, _needed(largest))
    body = stream.read(int(digits))
    if len(body) < int(digits):
        raise RefusedError(400, f"the body ended after {len(body)} of {int(digits)} bytes")
    return body


def _chunks(stream: BufferedIOBase, largest: int) -> bytes:
    """Read the chunked coding (RFC 9112, 7.1); clients that write as they go know no length."""
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > largest:
            raise RefusedError(413, f"the body must have up to {largest} bytes")
        chunk = stream.read(size + 2)
        if chunk[size:] != b"\r\n":
            raise RefusedError(400, "Malformed request: a chunk does not end where it says")
        body += chunk[:size]
    for _ in range(_TRAILERS):
        line = stream.readline(_LINE)
        if line == b"\r\n":
            return bytes(body)
        if not line.endswith(b"\r\n"):
            break
    raise RefusedError(400, "Malformed request: the body does not end behind its last chunk")


def _chunk_size(stream: BufferedIOBase) -> int:
    match = _SIZE.fullmatch(stream.readline(_LINE))
    if match is None:
        raise RefusedError(400, "Malformed request: a chunk does not begin with its size")
    return int(match[1], 16)


def _unpacked(body: bytes, largest: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        plain = unpacking.decompress(body, largest + 1)
    except zlib.error:
        raise RefusedError(400, "Malformed request: the body is not gzip") from None
    if len(plain) > largest:
        raise RefusedError(413, f"the body must have up to {largest} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise RefusedError(400, "Malformed request: the body is not one whole gzip file")
    return plain


def close_gently(connection: socket.socket) -> None:
    """Close a connection whose client may still be sending.

    Bytes that nobody read turn a close into a reset, which reaches a client that is still sending
    before it has looked at the answer: what comes is read and dropped until the client closes, is
    silent for `SILENCE_S` or has had `LINGER_S`.
    """
    until = time.monotonic() + LINGER_S
    with connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(SILENCE_S)
        while connection.recv(_CHUNK) and time.monotonic() < until:
            pass
