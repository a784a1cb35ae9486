"""Reflection: `grpcurl` and its like may ask which services and messages there are."""

from __future__ import annotations

from functools import cache

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

_PACKAGE = "tensorflow.serving"
# The stubs' own descriptions of the services do not load under a current protobuf runtime.
_METHODS = {
    "PredictionService": {
        "Classify": ("Classification", classification_pb2),
        "Regress": ("Regression", regression_pb2),
        "Predict": ("Predict", predict_pb2),
        "MultiInference": ("MultiInference", inference_pb2),
        "GetModelMetadata": ("GetModelMetadata", get_model_metadata_pb2),
    },
    "ModelService": {
        "GetModelStatus": ("GetModelStatus", get_model_status_pb2),
        "HandleReloadConfigRequest": ("ReloadConfig", model_management_pb2),
    },
}
_FILES = {
    "PredictionService": "tensorflow_serving/apis/prediction_service.proto",
    "ModelService": "tensorflow_serving/apis/model_service.proto",
}


def enable(server: grpc.Server) -> None:
    """Add reflection of every service of the server."""
    _describe()
    names = [f"{_PACKAGE}.{name}" for name in _METHODS]
    reflection.enable_server_reflection(
        [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )


@cache
def _describe() -> None:
    """Put the services into the pool that holds their messages, once in a process."""
    for service, methods in _METHODS.items():
        file = descriptor_pb2.FileDescriptorProto(
            name=_FILES[service], package=_PACKAGE, syntax="proto3"
        )
        described = file.service.add(name=service)
        for method, (stem, stub) in methods.items():
            described.method.add(
                name=method,
                input_type=f".{_PACKAGE}.{stem}Request",
                output_type=f".{_PACKAGE}.{stem}Response",
            )
            file.dependency.append(stub.DESCRIPTOR.name)
        descriptor_pool.Default().Add(file)
