"""Health: what probes and balancers ask a server."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

# The names TensorFlow Serving's `--enable_grpc_healthcheck_service` answers to.
NAMES = (health.OVERALL_HEALTH, "ModelService", "PredictionService")


class Health:
    """Health of the server as a whole; `leave` tells balancers to go before it stops."""

    def __init__(self) -> None:
        self._service = health.HealthServicer()
        for name in NAMES:
            self._service.set(name, health_pb2.HealthCheckResponse.SERVING)

    def leave(self) -> None:
        """Answer NOT_SERVING from now on, also to those who watch."""
        self._service.enter_graceful_shutdown()

    def add_to(self, server: grpc.Server) -> None:
        """Add the health service: Check and Watch."""
        health_pb2_grpc.add_HealthServicer_to_server(self._service, server)
