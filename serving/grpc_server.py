"""The gRPC face: PredictionService, ModelService, health and reflection on one port."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from tensorflow_serving.apis import (
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)

from serving import config, reflection
from serving.bearer import TokenInterceptor
from serving.calls import CallPool
from serving.cancellation import Cancellation, cancelled
from serving.classify import classify, multi_inference, regress
from serving.core import RELOAD_WAIT_S
from serving.engine import Engine
from serving.errors import ServingError
from serving.health import Health
from serving.metadata import check_fields, metadata
from serving.options import Tls
from serving.status import Code, StatusError, invalid, truncated

log = logging.getLogger("serving")
Answer = TypeVar("Answer")
SILENT_CALLS = 256
"""Calls that may be open while their messages are still to come."""
FOR_EVER_S = 1e8


def _answered(context: grpc.ServicerContext, work: Callable[[], Answer]) -> Answer:
    """Return what `work` answers; whatever it raises becomes a status, never a dead server."""
    try:
        return work()
    except StatusError as fault:
        code, message = fault.code, fault.message
        left = context.time_remaining()
        if code == Code.CANCELLED and left is not None and left <= 0:
            code, message = Code.DEADLINE_EXCEEDED, "Deadline Exceeded"
    except Exception as error:
        log.exception("a request failed in an unforeseen way")
        code, message = Code.INTERNAL, f"{type(error).__name__}: {error}"
    context.abort(code, truncated(message))
    raise AssertionError("abort raises")


def _patience(context: grpc.ServicerContext) -> float | None:
    """Return how long the client waits from now on (s); gRPC says centuries where it has no end."""
    left = context.time_remaining()
    return None if left is None or left > FOR_EVER_S else left


def _cancellation(context: grpc.ServicerContext) -> Cancellation:
    """Return what abandons a call: its client's deadline or hanging up."""
    cancel = Cancellation(_patience(context))
    if not context.add_callback(cancel.cancel):
        raise cancelled()
    return cancel


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._core = engine, engine.core
        self._as_content = engine.options.as_content

    def Predict(self, request, context):  # noqa: N802
        """Answer a PredictRequest; the client's deadline or hanging up abandons the run."""

        def work():  # type: ignore[no-untyped-def]
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            cancel = _cancellation(context)
            with self._core.use(request.model_spec) as servable:
                return self._engine.predict(servable, request, cancel, self._as_content)

        return self._counted(context, request.model_spec, "Predict", work)

    def Classify(self, request, context):  # noqa: N802
        """Answer a ClassificationRequest."""
        return self._held(context, request, request, "Classify", classify)

    def Regress(self, request, context):  # noqa: N802
        """Answer a RegressionRequest."""
        return self._held(context, request, request, "Regress", regress)

    def MultiInference(self, request, context):  # noqa: N802
        """Answer a MultiInferenceRequest; its first task names the model."""
        first = inference_pb2.InferenceTask()
        first.model_spec.SetInParent()  # left out, it counts as one without a name
        if request.tasks:
            first.MergeFrom(request.tasks[0])
        return self._held(context, request, first, "MultiInference", multi_inference)

    def GetModelMetadata(self, request, context):  # noqa: N802
        """Answer a GetModelMetadataRequest."""

        def work():  # type: ignore[no-untyped-def]
            check_fields(request)
            with self._core.use(request.model_spec) as servable:
                return metadata(servable)

        return _answered(context, work)

    def _held(
        self, context: grpc.ServicerContext, request: Any, named: Any, api: str, answer: Callable
    ) -> Any:
        """Answer a request about examples by the model that `named`, a message, is about."""

        def work() -> Any:
            if not named.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            cancel = _cancellation(context)
            with self._core.use(named.model_spec) as servable:
                return answer(servable, request, self._engine.runs(servable, api, cancel))

        return self._counted(context, named.model_spec, api, work)

    def _counted(
        self, context: grpc.ServicerContext, spec: Any, api: str, work: Callable[[], Answer]
    ) -> Answer:
        def run() -> Answer:
            with self._engine.metrics.request(spec.name, api, "GRPC"):
                return work()

        return _answered(context, run)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """GetModelStatus and HandleReloadConfigRequest."""

    def __init__(self, engine: Engine) -> None:
        self._core, self._metrics = engine.core, engine.metrics

    def GetModelStatus(self, request, context):  # noqa: N802
        """Answer a GetModelStatusRequest."""

        def work():  # type: ignore[no-untyped-def]
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            return self._core.status(request.model_spec)

        return _answered(context, work)

    def HandleReloadConfigRequest(self, request, context):  # noqa: N802
        """Replace the model config, within the client's deadline.

        The answer tells by how much each of `metric_names`, which are counters, grew meanwhile.
        """

        def work():  # type: ignore[no-untyped-def]
            left = context.time_remaining()
            wait = RELOAD_WAIT_S if left is None else min(RELOAD_WAIT_S, left)
            before = {name: self._metrics.count(name) for name in request.metric_names}
            try:
                self._core.reload(config.validated(request.config), wait, context.is_active)
            except ServingError as error:
                raise invalid(str(error)) from error
            response = model_management_pb2.ReloadConfigResponse()
            response.status.SetInParent()
            for name, count in before.items():
                grown = self._metrics.count(name) - count
                response.metric.add(name=name, int64_value_increase=grown)
            return response

        return _answered(context, work)


def build(engine: Engine, health: Health) -> grpc.Server:
    """Return a gRPC server with every service, not yet bound to a port."""
    options = engine.options
    interceptors = [TokenInterceptor(options.token)] if options.token else []
    server = grpc.server(
        # A call waits for its batch on its thread: few threads would make small batches.
        CallPool(SILENT_CALLS if options.batching else options.turns, SILENT_CALLS),
        interceptors=interceptors,
        options=[
            ("grpc.max_receive_message_length", options.limits.request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # else a second server would quietly share the port
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(engine), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(engine), server)
    health.add_to(server)
    reflection.enable(server)
    return server


def bind(server: grpc.Server, target: str, tls: Tls | None) -> int:
    """Bind the server to an address, with TLS if there are files for it; return the real port.

    Raises:
      ServingError: If the port is taken or the files are no key and certificate.
    """
    try:
        if tls is None:
            return server.add_insecure_port(target)
        client_ca = tls.client_ca.read_bytes() if tls.client_ca else None
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        credentials = grpc.ssl_server_credentials([pair], client_ca, client_ca is not None)
        return server.add_secure_port(target, credentials)
    except RuntimeError as error:
        reason = "the port is taken" + (" or the TLS files do not fit" if tls else "")
        raise ServingError(f"cannot listen on {target}: {reason}") from error
