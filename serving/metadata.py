"""GetModelMetadata: every signature of the SavedModel, names and shapes unchanged."""

from __future__ import annotations

from tensorflow_serving.apis import get_model_metadata_pb2

from serving.servable import Servable
from serving.status import invalid

SIGNATURES = "signature_def"


def check_fields(request: get_model_metadata_pb2.GetModelMetadataRequest) -> None:
    """Check what a request asks for (`get_model_metadata_impl.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for no model_spec, no field or an unknown field.
    """
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURES:
            raise invalid(f"Metadata field {field} is not supported")


def metadata(servable: Servable) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Return the model's name, version and all its SignatureDefs."""
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.definitions.items():
        signatures.signature_def[name].CopyFrom(definition)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.metadata[SIGNATURES].Pack(signatures)
    return response
