"""Predict: from a request's tensors through a signature to the response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2

from serving.servable import DEFAULT_SIGNATURE, Arrays, Run, Servable, Signature
from serving.status import Code, StatusError, invalid
from serving.tensors import dtype_name, from_proto, to_proto


def predict(
    servable: Servable,
    request: predict_pb2.PredictRequest,
    run: Run = Signature.run,
    as_content: bool = False,
) -> predict_pb2.PredictResponse:
    """Answer one Predict request on one version.

    The order of the checks, their codes and their wording are those of TensorFlow Serving
    (`predict_util.cc` and TensorFlow's `cc/saved_model/util.cc`).

    Args:
      servable: The version that answers.
      request: Its model_spec chooses the signature only.
      run: Runs the signature, with the outputs that are wanted.
      as_content: Encode numbers in `tensor_content`, not in the typed fields.

    Raises:
      StatusError: With the contract's code and words.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature(name)
    if signature is None:
        raise StatusError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    _check_aliases(signature.definition, request.inputs)
    inputs = _decode(signature.definition, request.inputs)
    wanted = output_aliases(signature.definition, request.output_filter)
    _check_dtypes(signature.definition, inputs)
    outputs = run(signature.only(wanted), inputs)
    response = predict_pb2.PredictResponse()
    response.model_spec.name = servable.name
    response.model_spec.version.value = servable.version
    response.model_spec.signature_name = name
    for alias in wanted:
        to_proto(outputs[alias], as_content, into=response.outputs[alias])
    return response


def _check_dtypes(definition: meta_graph_pb2.SignatureDef, inputs: Arrays) -> None:
    """Refuse in the C++ executor's words: dtypes are never converted; shapes are the graph's."""
    for index, alias in enumerate(sorted(definition.inputs)):
        expected = definition.inputs[alias].dtype
        given = tf.dtypes.as_dtype(inputs[alias].dtype).as_datatype_enum
        if given != expected:
            raise invalid(
                f"Expects arg[{index}] to be {dtype_name(expected)} "
                f"but {dtype_name(given)} is provided"
            )


def _check_aliases(definition: meta_graph_pb2.SignatureDef, sent: Iterable[str]) -> None:
    given, known = set(sent), set(definition.inputs)
    required = known - set(definition.defaults)
    if not len(required) <= len(given) <= len(known):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(known)} "
            f"len({_braces(given)}) != len({_braces(known)}). "
            f"Sent extra: {_braces(given - known)}. "
            f"Missing but required: {_braces(required - given)}."
        )
    for alias in sorted(required - given):
        raise invalid(
            f"Signature input alias: {alias}(feed name: {definition.inputs[alias].name}) not found "
            f"in request and no default value provided. "
            f"Inputs expected to be in the set {_braces(known)}."
        )


def _decode(definition: meta_graph_pb2.SignatureDef, sent: Mapping) -> dict[str, np.ndarray]:
    return {
        alias: from_proto(sent[alias] if alias in sent else definition.defaults[alias], alias)
        for alias in sorted(definition.inputs)
    }


def output_aliases(definition: meta_graph_pb2.SignatureDef, wanted: Iterable[str]) -> list[str]:
    """Return the outputs to answer with: those filtered for, or all.

    Raises:
      StatusError: INVALID_ARGUMENT for an unknown or repeated name.
    """
    chosen: list[str] = []
    for alias in wanted:
        if alias not in definition.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} "
                f"Outputs expected to be in the set {_braces(definition.outputs)}."
            )
        if alias in chosen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or sorted(definition.outputs)


def _braces(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
