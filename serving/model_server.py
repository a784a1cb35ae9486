"""The embedded model server as an object: start, port, stop, or a `with` block."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from serving import config, grpc_server
from serving.core import ServerCore
from serving.engine import Engine
from serving.errors import ServingError
from serving.health import Health
from serving.options import Options
from serving.rest import RestServer

log = logging.getLogger("serving")


class ModelServer:
    """Speaks TensorFlow Serving's gRPC and REST API for SavedModels on this machine.

    Args:
      models: What to serve.
      options: The fields of `serving.options.Options`.

    Example:
      >>> with ModelServer(config.single("digits", Path("/models/digits")), port=0) as server:
      ...     client = Client(server.target, "digits")
    """

    def __init__(self, models: Mapping[str, config.ModelSettings], **options: Any) -> None:
        self.options = Options(**options)
        self.host, self._port = self.options.host, self.options.port
        self._models = models
        self.core = ServerCore(self.options.poll_s)
        self.engine = Engine(self.core, self.options)
        self.health = Health()
        self._rest_port = self.options.rest_port
        self._rest: RestServer | None = None
        self._grpc = grpc_server.build(self.engine, self.health)

    @property
    def port(self) -> int:
        """The gRPC port; the real one after `start` when 0 was asked for."""
        return self._port

    @property
    def rest_port(self) -> int | None:
        """The REST port, if there is one; the real one after `start` when 0 was asked for."""
        return self._rest_port

    @property
    def target(self) -> str:
        """The address clients connect to."""
        return address(self.host, self._port)

    def start(self) -> ModelServer:
        """Load every model, then open the ports and answer.

        A model whose folder holds no version yet is waited for while the server answers.

        Raises:
          ServingError: If the port is taken, or a model has versions and none of them loads.
        """
        self.core.start(self._models)
        try:
            broken = [line for model in self.core.models().values() if (line := _broken(model))]
            if broken:
                raise ServingError("; ".join(broken))
            self._listen()
        except ServingError:
            self.stop(0.0)
            raise
        return self

    def _listen(self) -> None:
        """Open the ports: what connects is answered, so a probe or a client may go by that."""
        self._port = grpc_server.bind(self._grpc, self.target, self.options.tls)
        if self._rest_port is not None:
            self._rest = RestServer(self.engine)
            self._rest_port = self._rest.server_port
        self._grpc.start()
        if self._rest:
            self._rest.start()

    def stop(self, grace_s: float = 10.0) -> None:
        """Refuse new requests, let those under way finish for `grace_s` seconds, then end them.

        A version that is being loaded is waited for no longer either.
        """
        until = time.monotonic() + max(1.0, grace_s)
        self.health.leave()
        drained = self._grpc.stop(grace_s)
        if self._rest:
            self._rest.stop(grace_s)
        drained.wait()
        self.core.stop(until - time.monotonic())

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(1.0)


def serve_folder(name: str, base_path: str | Path, **options: Any) -> ModelServer:
    """Return a server for one model, not yet started; options as `ModelServer`.

    Raises:
      ServingError: If the base path is no directory.
    """
    return ModelServer(config.single(name, Path(base_path)), **options)


def address(host: str, port: int) -> str:
    """Return host:port, with brackets around an IPv6 host."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _broken(model) -> str:  # type: ignore[no-untyped-def]
    """Say why none of a model's versions loads, or nothing if one did or none is there yet."""
    failures = {v: error for v, (_, error) in model.statuses().items() if error}
    if model.available() or not failures:
        return ""
    version, error = next(iter(failures.items()))
    return (
        f"no version of model '{model.settings.name}' in {model.settings.base_path} can be "
        f"served; version {version}: {error.message}"
    )
