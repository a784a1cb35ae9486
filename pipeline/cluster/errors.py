"""What a KFP API server, or the way to it, answers with instead of a result: one line each."""

from __future__ import annotations

import json
from typing import Any

from trainer.errors import UserError

SIGN_IN = "set KFP_TOKEN or KFP_COOKIES, or give --iap-client-id"

ADVICE = {
    400: "it refuses what was sent",
    401: f"it wants to know who you are: {SIGN_IN}",
    403: "you may not do this: ask for the right in that --namespace, or name another one",
    404: "it has no such thing: check endpoint, name and id",
    409: "it has one of that name already",
}


class ClusterError(UserError):
    """The cluster cannot be reached or says no.

    `status` is the HTTP status; 0 when there was no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def refused(host: str, status: int, body: Any) -> ClusterError:
    """Build the error for an HTTP status: what the server said, and what to do about it."""
    advice = ADVICE.get(status, "its own trouble: try again, then look at its ml-pipeline pod")
    said = _said(body)
    return ClusterError(
        f"{host} answered HTTP {status}: {advice}{f' ({said})' if said else ''}", status
    )


def unreachable(host: str, error: Exception, timeout_s: float) -> ClusterError:
    """Build the error for a connection that gave no answer."""
    reason = getattr(error, "reason", None) or error
    kind, text = type(reason).__name__, " ".join(str(reason).split())
    if "Timeout" in kind:
        why = f"no answer within {timeout_s:g} s; is it busy, or the wrong port?"
    elif "NameResolution" in kind:
        why = "no such host; check the spelling"
    elif "Connection refused" in text:
        why = "connection refused; is the port-forward or the ingress up?"
    elif "SSL" in kind:
        why = f"TLS failed ({text}); for plain HTTP write http://"
    else:
        why = text.rpartition(": ")[2] or kind
    return ClusterError(f"cannot reach {host}: {why}")


def _said(body: Any) -> str:
    """Find the sentence in an error body; KFP's are JSON, a proxy's may be a whole page."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        tree = json.loads(text)
    except ValueError:
        return "" if "<" in text else " ".join(text.split())[:300]
    if not isinstance(tree, dict):
        return ""
    message = tree.get("error_message") or tree.get("message") or tree.get("error") or ""
    return " ".join(str(message).split())[:300]
