"""What a running server says of a model's versions and labels; waiting until it agrees."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from serving import wire
from serving.client import Client, VersionStatus
from serving.errors import NotFoundError, RejectedError, ServingError, UnavailableError
from serving.options import Address

POLL_S = 0.1
AVAILABLE, END = "AVAILABLE", "END"


class NotYetError(ServingError):
    """The server did not come to agree in time, and says nothing of why."""


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
          failed: Errors the server already showed before it was asked to load them. It may try
            again (TensorFlow Serving does, an embedded server once the folder has changed), so
            only a new one, or the same after another try, ends the waiting.

        Raises:
          ServingError: One cannot be loaded, or does not answer within `wait_s`.
        """
        old = dict(failed)

        def missing() -> str:
            states = self.states()
            absent = [v for v in wanted if v not in states or states[v].state != AVAILABLE]
            for version in absent:
                row = states.get(version)
                error = row.error if row and row.state == END else ""
                if error and error != old.get(version):
                    raise self._unloadable(version, error)
                if not error:
                    old.pop(version, None)
            for version in absent:
                state = states[version].state if version in states else "unknown to it"
                return f"version {version} is {state}, not AVAILABLE"
            return ""

        try:
            self._await(missing)
        except NotYetError:
            for version in wanted:
                if old.get(version):
                    raise self._unloadable(version, old[version]) from None
            raise

    def _unloadable(self, version: int, error: str) -> ServingError:
        return ServingError(
            f"{self.target} cannot load version {version} of '{self.model}': {error}"
        )

    def await_labels(self, labels: Mapping[str, int | None]) -> None:
        """Return when every label answers with its version, or with None not at all.

        Raises:
          NotYetError: Not so within `wait_s`.
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
                raise NotYetError(f"{self.target} after {self.wait_s:g} s: {said}")
            time.sleep(POLL_S)
