"""What a running server says of a model's versions and labels; waiting until it agrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from serving import wire
from serving.client import Client, VersionStatus
from serving.errors import NotFoundError, RejectedError, ServingError, UnavailableError
from serving.options import Address

POLL_S = 0.1
AVAILABLE = "AVAILABLE"


class Admin(Client):
    """A client that asks about versions; `wait_s` bounds every wait."""

    def __init__(self, target: str | Address, model: str, *, wait_s: float = 60.0) -> None:
        super().__init__(target, model)
        self.wait_s = wait_s

    def __enter__(self) -> Admin:
        return self

    def states(self) -> dict[int, VersionStatus]:
        """Return what the server says by version, newest first; nothing for an unknown model."""
        try:
            return {row.version: row for row in self.status()}
        except NotFoundError:
            return {}

    def available(self) -> list[int]:
        """Return the versions that answer, newest first."""
        return [row.version for row in self.states().values() if row.state == AVAILABLE]

    def labelled(self, label: str) -> int | None:
        """Return the version that answers to a label; None if the server does not know it."""
        request = wire.message("GetModelMetadataRequest")(metadata_field=["signature_def"])
        self._choose(request.model_spec, label)
        try:
            answer = self._call(
                "PredictionService/GetModelMetadata", request, "GetModelMetadataResponse"
            )
        except (RejectedError, NotFoundError):
            return None
        except UnavailableError as error:
            # The C++ server's word for a label asked for before it has read any.
            if "labels does not init" in str(error):
                return None
            raise
        return answer.model_spec.version.value

    def await_available(self, wanted: Iterable[int], failed: Mapping[int, str]) -> None:
        """Return when all `wanted` versions answer.

        Args:
          wanted: Versions.
          failed: Errors the server already showed before it was asked to load them: a new one ends
            the waiting.

        Raises:
          ServingError: One cannot be loaded, or does not answer within `wait_s`.
        """

        def missing() -> str:
            states = self.states()
            for version in wanted:
                row = states.get(version)
                if row and row.state == "END" and row.error and row.error != failed.get(version):
                    raise ServingError(
                        f"{self.target} cannot load version {version} of '{self.model}': "
                        f"{row.error}"
                    )
                if not row or row.state != AVAILABLE:
                    state = row.state if row else "unknown to it"
                    return f"version {version} is {state}, not AVAILABLE"
            return ""

        self._await(missing)

    def await_labels(self, labels: Mapping[str, int | None]) -> None:
        """Return when every label answers with its version, or with None not at all.

        Raises:
          ServingError: Not so within `wait_s`.
        """

        def wrong() -> str:
            for label, version in labels.items():
                found = self.labelled(label)
                if found != version:
                    return f"label '{label}' means {found or 'nothing'}, not {version or 'nothing'}"
            return ""

        self._await(wrong)

    def _await(self, problem: Callable[[], str]) -> None:
        end = time.monotonic() + self.wait_s
        while said := problem():
            if time.monotonic() > end:
                raise ServingError(f"{self.target} after {self.wait_s:g} s: {said}")
            time.sleep(POLL_S)
