"""The one family of errors for what a person can get wrong, or a server refuse."""

from __future__ import annotations


class ServingError(Exception):
    """A mistake in what was given: shown as one line, exit code 2, never with a traceback.

    The message says what was given, what is allowed and what to do.
    """


class RequestError(ServingError):
    """A server answered a request with an error; `code` is the gRPC status name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFoundError(RequestError):
    """No such model, or no such version of it, is being served."""


class RejectedError(RequestError):
    """The request does not fit the model (signature, inputs, dtype, label)."""


class UnavailableError(RequestError):
    """No server answered, also after trying again."""


class DeadlineError(RequestError):
    """The answer did not come within the time limit."""
