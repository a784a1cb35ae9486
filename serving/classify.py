"""Classify, Regress and MultiInference: for signatures that fit, and refusals for the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    regression_pb2,
)

from serving.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving.status import Code, StatusError, invalid

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def classify(
    servable: Servable, request: classification_pb2.ClassificationRequest
) -> classification_pb2.ClassificationResponse:
    """Answer a ClassificationRequest (`classifier.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = _signature(servable, name, "classification")
    response = classification_pb2.ClassificationResponse()
    _fill_classes(response.result, _run(signature, request.input))
    _fill_spec(response.model_spec, servable, name)
    return response


def regress(
    servable: Servable, request: regression_pb2.RegressionRequest
) -> regression_pb2.RegressionResponse:
    """Answer a RegressionRequest (`regressor.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = _signature(servable, name, "regression")
    response = regression_pb2.RegressionResponse()
    _fill_values(response.result, _run(signature, request.input))
    _fill_spec(response.model_spec, servable, name)
    return response


def multi_inference(
    servable: Servable, request: inference_pb2.MultiInferenceRequest
) -> inference_pb2.MultiInferenceResponse:
    """Answer a MultiInferenceRequest (`multi_inference.cc`).

    Raises:
      StatusError: UNIMPLEMENTED for another method than classify and regress.
    """
    response = inference_pb2.MultiInferenceResponse()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if task.method_name not in (CLASSIFY, REGRESS):
            raise StatusError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
        if name not in servable.signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        result = response.results.add()
        _fill_spec(result.model_spec, servable, name)
        if task.method_name == CLASSIFY:
            signature = _signature(servable, name, "classification")
            _fill_classes(result.classification_result, _run(signature, request.input))
        else:
            signature = _signature(servable, name, "regression")
            _fill_values(result.regression_result, _run(signature, request.input))
    return response


def _signature(servable: Servable, name: str, kind: str) -> Signature:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")
    inputs = signature.definition.inputs
    if len(inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if "inputs" not in inputs or inputs["inputs"].dtype != types_pb2.DT_STRING:
        shown = " ".join(str(signature.definition).split())
        raise invalid(f"No {kind} inputs found in SignatureDef: {shown}")
    return signature


def _run(signature: Signature, given: input_pb2.Input) -> Mapping[str, np.ndarray]:
    kind = given.WhichOneof("kind")
    examples = []
    if kind == "example_list":
        examples = [e.SerializeToString() for e in given.example_list.examples]
    elif kind == "example_list_with_context":
        # Concatenated serialised messages merge: the example's own features win.
        context = given.example_list_with_context.context.SerializeToString()
        rows = given.example_list_with_context.examples
        examples = [context + e.SerializeToString() for e in rows]
    if not examples:
        raise invalid("Input is empty.")
    arrays = signature.run({"inputs": np.array(examples, object)})
    for alias, array in arrays.items():
        if array.shape[:1] != (len(examples),):
            raise invalid(
                f"Expected output {alias} to have {len(examples)} rows; got shape {array.shape}"
            )
    return arrays


def _fill_classes(
    result: classification_pb2.ClassificationResult, outputs: Mapping[str, np.ndarray]
) -> None:
    scores, names = outputs.get("scores"), outputs.get("classes")
    if scores is None and names is None:
        raise invalid(f"Expected classification outputs scores or classes; got {sorted(outputs)}")
    rows = len(scores if scores is not None else names)  # type: ignore[arg-type]
    for row in range(rows):
        line = result.classifications.add()
        width = len(scores[row] if scores is not None else names[row])  # type: ignore[index]
        for column in range(width):
            entry = line.classes.add()
            if scores is not None:
                entry.score = float(scores[row][column])
            if names is not None:
                entry.label = names[row][column]


def _fill_values(
    result: regression_pb2.RegressionResult, outputs: Mapping[str, np.ndarray]
) -> None:
    if "outputs" not in outputs:
        raise invalid(f"Expected a regression output named outputs; got {sorted(outputs)}")
    for value in outputs["outputs"].reshape(len(outputs["outputs"]), -1)[:, 0]:
        result.regressions.add(value=float(value))


def _fill_spec(spec, servable: Servable, signature: str) -> None:  # type: ignore[no-untyped-def]
    spec.name, spec.signature_name = servable.name, signature
    spec.version.value = servable.version
