"""Failures of a request: the code and wording a client sees, whatever the transport."""

from __future__ import annotations

import re
from typing import TypeAlias

import grpc
import tensorflow as tf

Code: TypeAlias = grpc.StatusCode
MAX_MESSAGE = 1024
"""Bytes of a message that a client is told."""

_BY_NUMBER: dict[int, Code] = {code.value[0]: code for code in Code}
_OP_SUFFIX = re.compile(r"\s*\[Op:[^\]]*\]\s*\Z")
_FUNCTION_NODE = re.compile(r"\{\{function_node [^}]*\}\}\s*")


class StatusError(Exception):
    """An answer that is an error: a status code and the message that goes with it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> StatusError:
    """Build the commonest fault, INVALID_ARGUMENT."""
    return StatusError(Code.INVALID_ARGUMENT, message)


def truncated(message: str) -> str:
    """Cut a message as TensorFlow Serving does (`grpc_status_util.cc`).

    A longer one would overflow the trailing metadata and reach the client as another code.
    """
    data = message.encode(errors="replace")
    if len(data) <= MAX_MESSAGE:
        return message
    return data[:MAX_MESSAGE].decode(errors="ignore") + "...TRUNCATED"


def code_of(number: int) -> Code:
    """Return the status code with this canonical number (TensorFlow's are the same numbers)."""
    return _BY_NUMBER.get(number, Code.UNKNOWN)


def from_tensorflow(error: tf.errors.OpError) -> StatusError:
    """Turn an operation's failure into a fault with the operation's own code and words.

    The names of the eager operation and of the function around it, which no client of the C++
    server has ever seen, are dropped.
    """
    message = _FUNCTION_NODE.sub("", _OP_SUFFIX.sub("", error.message or type(error).__name__))
    return StatusError(code_of(error.error_code), message)
