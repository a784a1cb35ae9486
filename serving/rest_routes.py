"""REST paths to answers: predict, classify, regress, status and metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2, predict_pb2

from serving import rest_examples, rest_json
from serving.cancellation import Cancellation
from serving.engine import Engine
from serving.metadata import metadata
from serving.servable import DEFAULT_SIGNATURE, Run, Servable
from serving.status import invalid

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|:classify|:regress|/metadata)?",
    re.IGNORECASE,
)
_NO_VERSION = 2**63


def answer(engine: Engine, verb: str, path: str, body: bytes) -> bytes:
    """Answer one request with a JSON body.

    Args:
      engine: The models.
      verb: GET, POST or one that is refused.
      path: The path without its query.
      body: What a POST sent.

    Raises:
      StatusError: With the contract's code and words.
    """
    match = _PATH.fullmatch(path)
    what = (match["what"] or "").lower() if match else ""
    if verb == "GET" and path.lower() == "/v1/models":
        raise invalid("Missing model name in request.")
    if match is None or verb != ("POST" if what.startswith(":") else "GET"):
        raise invalid(f"Malformed request: {verb} {path}")
    spec = model_pb2.ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        spec.version.value = _version(match["version"])
    elif match["label"]:
        spec.version_label = unquote(match["label"])
    if what == "/metadata":
        return _metadata(engine, spec)
    if not what:
        return _json(engine.core.status(spec), always_print_fields_with_no_presence=True)
    with engine.metrics.request(spec.name, what[1:], "REST"):
        given = rest_json.parse(body)
        name = given.get("signature_name", "")
        if not isinstance(name, str):
            raise invalid("'signature_name' key must be a string value.")
        with engine.core.use(spec) as servable:
            return _ANSWERS[what](engine, servable, name or DEFAULT_SIGNATURE, given)


def _version(digits: str) -> int:
    # Not converted when long: Python refuses thousands of digits with an error of its own.
    value = int(digits) if len(digits) < 30 else _NO_VERSION
    if value >= _NO_VERSION:
        raise invalid(f"Failed to convert version: {digits} to numeric.")
    return value


def _predict(engine: Engine, servable: Servable, name: str, body: dict[str, Any]) -> bytes:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f'Serving signature name: "{name}" not found in signature def')
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = name
    row = rest_json.fill_inputs(request, body, signature.definition)
    cancel = Cancellation(engine.options.rest_timeout_s)
    # Numbers in tensor_content: the JSON is made from arrays, whatever the fields.
    return rest_json.answer(engine.predict(servable, request, cancel, True), row)


def _classify(engine: Engine, servable: Servable, name: str, body: dict[str, Any]) -> bytes:
    return rest_examples.classify(servable, name, body, _runs(engine, servable, "Classify"))


def _regress(engine: Engine, servable: Servable, name: str, body: dict[str, Any]) -> bytes:
    return rest_examples.regress(servable, name, body, _runs(engine, servable, "Regress"))


def _runs(engine: Engine, servable: Servable, api: str) -> Run:
    return engine.runs(servable, api, Cancellation(engine.options.rest_timeout_s))


_ANSWERS: dict[str, Callable[[Engine, Servable, str, dict[str, Any]], bytes]] = {
    ":predict": _predict,
    ":classify": _classify,
    ":regress": _regress,
}


def _metadata(engine: Engine, spec: model_pb2.ModelSpec) -> bytes:
    with engine.core.use(spec) as servable:
        response = metadata(servable)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    shown = {
        "model_spec": _dict(response.model_spec),
        "metadata": {"signature_def": _dict(signatures)},
    }
    return json.dumps(shown).encode()


def _dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(message: Any, **options: bool) -> bytes:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=1, **options
    ).encode()
