"""The one family of errors for everything a person can get wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what was given: shown as one line, exit code 2, never with a traceback.

    The message says what was given, what is allowed and what to do. Raise it before work starts
    wherever the mistake can be known then.
    """


def unknown_name(kind: str, given: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that no table holds.

    Args:
      kind: What the name should be, in the singular ("recipe", "dataset").
      given: The name as it was given.
      known: All valid names.

    Returns:
      A `UserError` that names the nearest valid name first, then all of them.
    """
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UserError(f"unknown {kind} '{given}': {hint}known: {', '.join(names) or 'none'}")


class RunFailed(Exception):  # noqa: N818 - a verdict rather than a defect
    """The work was done as asked and its result is not acceptable: one line, exit code 1.

    The gate refused a model, or training diverged.
    """


class Interrupted(Exception):  # noqa: N818 - see RunFailed
    """A signal stopped the work after its state was saved: one line, exit code 128 + signal."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number
