"""The grpc.health.v1 service: SERVING for the names TensorFlow Serving uses."""

from __future__ import annotations

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

SERVICE = "grpc.health.v1.Health"
NAMES = ("", "ModelService", "PredictionService")
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def _file() -> descriptor_pb2.FileDescriptorProto:
    """Describe grpc/health/v1/health.proto, of which only these two messages are needed."""
    file = descriptor_pb2.FileDescriptorProto(
        name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    request = file.message_type.add(name="HealthCheckRequest")
    request.field.add(name="service", number=1, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL)
    response = file.message_type.add(name="HealthCheckResponse")
    states = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        states.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        type=Field.TYPE_ENUM,
        label=Field.LABEL_OPTIONAL,
        type_name=".grpc.health.v1.HealthCheckResponse.ServingStatus",
    )
    return file


# A pool of its own: the process may also hold the package that registers the same file.
_POOL = descriptor_pool.DescriptorPool()
_POOL.Add(_file())
HealthCheckRequest = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName("grpc.health.v1.HealthCheckRequest")
)
HealthCheckResponse = message_factory.GetMessageClass(
    _POOL.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse")
)


class Health:
    """Health of the server as a whole; `leave` tells balancers to go before it stops."""

    def __init__(self) -> None:
        self._status = SERVING

    def leave(self) -> None:
        """Answer NOT_SERVING from now on."""
        self._status = NOT_SERVING

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the gRPC handler of Health.Check; Watch stays UNIMPLEMENTED."""
        check = grpc.unary_unary_rpc_method_handler(
            self._check,
            request_deserializer=HealthCheckRequest.FromString,
            response_serializer=HealthCheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": check})

    def _check(self, request, context):  # type: ignore[no-untyped-def]
        if request.service not in NAMES:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return HealthCheckResponse(status=self._status)
