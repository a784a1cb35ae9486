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
