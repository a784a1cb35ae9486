"""TensorFlow Serving's small text formats whose stubs are in no package."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from serving.options import METRICS_PATH, Batching

_INT, _TEXT, _BOOL = (f".google.protobuf.{kind}Value" for kind in ("Int64", "String", "Bool"))

# `session_bundle_config.proto`, `monitoring_config.proto`, `ssl_config.proto`: field name -> type.
# The text format knows names only, so the numbers are free.
_MESSAGES: dict[str, dict[str, str | int]] = {
    "BatchingParameters": {
        "max_batch_size": _INT,
        "batch_timeout_micros": _INT,
        "max_enqueued_batches": _INT,
        "num_batch_threads": _INT,
        "thread_pool_name": _TEXT,
        "allowed_batch_sizes": Field.TYPE_INT64,
        "pad_variable_length_inputs": Field.TYPE_BOOL,
        "enable_large_batch_splitting": _BOOL,
        "max_execution_batch_size": _INT,
    },
    "PrometheusConfig": {"enable": Field.TYPE_BOOL, "path": Field.TYPE_STRING},
    "MonitoringConfig": {"prometheus_config": ".PrometheusConfig"},
    "SSLConfig": {
        "server_key": Field.TYPE_STRING,
        "server_cert": Field.TYPE_STRING,
        "custom_ca": Field.TYPE_STRING,
        "client_verify": Field.TYPE_BOOL,
    },
}


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="text_config.proto", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            repeated = field == "allowed_batch_sizes"
            label = Field.LABEL_REPEATED if repeated else Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if isinstance(kind, str):
                added.type, added.type_name = Field.TYPE_MESSAGE, kind
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


def _parse(name: str, text: str) -> Any:
    kind = message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))
    try:
        return text_format.Parse(text, kind())
    except text_format.ParseError as error:
        raise ValueError(str(error)) from None


def batching(text: str) -> Batching:
    """Return the batching parameters a text asks for.

    Raises:
      ValueError: If it does not parse or asks for padding, which this server does not do.
      ServingError: For a value out of range.
    """
    given = _parse("BatchingParameters", text)
    if given.pad_variable_length_inputs:
        raise ValueError(
            "pad_variable_length_inputs is not supported: requests are grouped by inner shape"
        )
    names = (
        *("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads"),
        *("enable_large_batch_splitting", "max_execution_batch_size"),
    )
    values = {name: getattr(given, name).value for name in names if given.HasField(name)}
    return Batching(**values, allowed_batch_sizes=tuple(given.allowed_batch_sizes))


def metrics_path(text: str) -> str | None:
    """Return where Prometheus metrics are asked for, None for nowhere.

    Raises:
      ValueError: If the text does not parse.
    """
    asked = _parse("MonitoringConfig", text).prometheus_config
    return (asked.path or METRICS_PATH) if asked.enable else None


def ssl_config(text: str) -> tuple[str, str, str]:
    """Return key, certificate chain and client authority, PEM text each.

    The authority is empty unless clients are to be verified.

    Raises:
      ValueError: If the text does not parse or leaves out what is needed.
    """
    given = _parse("SSLConfig", text)
    if not given.server_key or not given.server_cert:
        raise ValueError("server_key and server_cert are needed, the PEM text of each")
    if given.client_verify and not given.custom_ca:
        raise ValueError("client_verify needs custom_ca, the PEM text of the clients' authority")
    return given.server_key, given.server_cert, given.custom_ca if given.client_verify else ""
