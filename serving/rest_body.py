"""How a REST request's body is framed, and a close that does not overtake the answer."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from email.errors import FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect
from email.message import Message

LINGER_S = 10.0
"""How long a closing connection may go on sending what nobody reads, in seconds."""
SILENCE_S = 2.0
"""How long it may be silent meanwhile."""

_CHUNK = 1 << 16
# Lines behind which Python's parser finds no more headers, or which it skips.
_HIDING = (FirstHeaderLineIsContinuationDefect, MissingHeaderBodySeparatorDefect)


class RefusedError(Exception):
    """A request that is answered with an HTTP status before its body is read."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


def length(headers: Message, verb: str, largest: int) -> int:
    """Return how many bytes follow the headers.

    A length that a proxy in front could read otherwise is refused: what one of them takes for a
    body, the other would take for the next request.

    Raises:
      RefusedError: 400 for headers that can be read in two ways, 411 without a length, 413 for
        more than `largest` bytes.
    """
    given = headers.get_all("Content-Length", [])
    coded = "Transfer-Encoding" in headers
    needed = f"Content-Length must be a number up to {largest}"
    if any(isinstance(defect, _HIDING) for defect in headers.defects):
        raise RefusedError(400, "Malformed request: a header line is not NAME: VALUE")
    if len(given) + coded > 1:
        raise RefusedError(400, "Malformed request: the length of the body is given twice")
    if coded or (not given and verb == "POST"):
        raise RefusedError(411, needed)
    if not given:
        return 0
    digits = given[0].strip(" \t")
    if not re.fullmatch(r"[0-9]+", digits):
        raise RefusedError(400, needed)
    if len(digits) > 12 or int(digits) > largest:
        raise RefusedError(413, needed)
    return int(digits)


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
