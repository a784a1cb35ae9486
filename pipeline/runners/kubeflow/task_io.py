"""What Kubeflow tells a task (its executor input) and what its UI shows of it afterwards."""

from __future__ import annotations

import contextlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import UserError

NOTIFY_URLS = "GENVISION_NOTIFY_URLS"
"""Environment variable of the exit task with Apprise addresses, filled from a secret."""

BOOKKEEPING = ("is_external", "current_model_id", "baseline_model_id")
"""Numbers among an artifact's properties that measure nothing."""

_MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
"""Kubeflow's launcher uploads an artifact from below these folders."""


@dataclass(frozen=True)
class TaskIO:
    """One task's executor input: JSON as in Kubeflow's `ExecutorInput` message."""

    content: Mapping[str, Any]

    @classmethod
    def parse(cls, text: str) -> TaskIO:
        """Read the argument that stood as `{{$}}` in the package.

        Raises:
          UserError: It is not JSON of an executor input.
        """
        try:
            content = json.loads(text)
            content.get("outputs")
        except (ValueError, AttributeError):
            raise UserError(
                "--executor-input is no JSON object: Kubeflow fills it in place of {{$}}"
            ) from None
        return cls(content)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Values of the task's inputs by name."""
        found: Mapping[str, Any] = self.content.get("inputs", {}).get("parameterValues", {})
        return found

    def write(self, page: str, metrics: Mapping[str, float], summary: str) -> None:
        """Leave HTML page, metrics and Markdown where Kubeflow looks for them.

        Outputs that this code does not know, such as the backend's own logs, are left alone.
        """
        for name, text in (("html", page), ("summary", summary)):
            artifact = self._artifact(name)
            if artifact:
                path = _local(artifact["uri"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        told = self.content.get("outputs", {}).get("outputFile")
        artifact = self._artifact("metrics")
        if told and artifact:
            # The URI stays Kubeflow's own: another one would stop it from uploading.
            entry = {"name": artifact.get("name", ""), "uri": artifact["uri"]}
            entry |= {"metadata": dict(metrics)}
            Path(told).parent.mkdir(parents=True, exist_ok=True)
            Path(told).write_text(
                json.dumps({"artifacts": {"metrics": {"artifacts": [entry]}}}), encoding="utf-8"
            )

    def _artifact(self, name: str) -> dict[str, Any] | None:
        artifacts = self.content.get("outputs", {}).get("artifacts", {})
        found: list[dict[str, Any]] = artifacts.get(name, {}).get("artifacts", [])
        return found[0] if found else None


def figures(properties: Mapping[str, Any]) -> dict[str, float]:
    """Pick the finite numbers of an artifact's properties, also those written as text."""
    found = {}
    for name in properties.keys() - set(BOOKKEEPING):
        with contextlib.suppress(TypeError, ValueError):
            number = float(properties[name])
            if abs(number) < float("inf"):  # false for nan as well
                found[name] = number
    return dict(sorted(found.items()))


def page(title: str, summary: str) -> str:
    """Put a summary into an HTML page, for nodes without a report of their own."""
    return (
        f'<!doctype html><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<pre>{html.escape(summary)}</pre>\n"
    )


def _local(uri: str) -> Path:
    for scheme, folder in _MOUNTS.items():
        if uri.startswith(scheme):
            return Path(folder + uri.removeprefix(scheme))
    return Path(uri)
