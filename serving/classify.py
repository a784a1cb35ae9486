"""Classify, Regress and MultiInference: for signatures that fit, and refusals for the rest."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    regression_pb2,
)

from serving.cancellation import Cancellation
from serving.servable import DEFAULT_SIGNATURE, Servable, Signature
from serving.status import Code, StatusError, invalid

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


def classify(
    servable: Servable,
    request: classification_pb2.ClassificationRequest,
    timeout_s: float | None = None,
) -> classification_pb2.ClassificationResponse:
    """Answer a ClassificationRequest (`classifier.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only; DEADLINE_EXCEEDED
        after `timeout_s` seconds.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = _signature(servable, name, "classification")
    response = classification_pb2.ClassificationResponse()
    _fill_classes(response.result, _run(signature, request.input, timeout_s))
    _fill_spec(response.model_spec, servable, name)
    return response


def regress(
    servable: Servable,
    request: regression_pb2.RegressionRequest,
    timeout_s: float | None = None,
) -> regression_pb2.RegressionResponse:
    """Answer a RegressionRequest (`regressor.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only; DEADLINE_EXCEEDED
        after `timeout_s` seconds.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = _signature(servable, name, "regression")
    response = regression_pb2.RegressionResponse()
    _fill_values(response.result, _run(signature, request.input, timeout_s))
    _fill_spec(response.model_spec, servable, name)
    return response


def multi_inference(
    servable: Servable,
    request: inference_pb2.MultiInferenceRequest,
    timeout_s: float | None = None,
) -> inference_pb2.MultiInferenceResponse:
    """Answer a MultiInferenceRequest (`multi_inference.cc`).

    Raises:
      StatusError: UNIMPLEMENTED for another method than classify and regress; DEADLINE_EXCEEDED
        after `timeout_s` seconds, for all tasks together.
    """
    response, waiting = inference_pb2.MultiInferenceResponse(), Cancellation(timeout_s)
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
            outputs = _run(signature, request.input, waiting.left())
            _fill_classes(result.classification_result, outputs)
        else:
            signature = _signature(servable, name, "regression")
            outputs = _run(signature, request.input, waiting.left())
            _fill_values(result.regression_result, outputs)
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


def _run(
    signature: Signature, given: input_pb2.Input, timeout_s: float | None
) -> Mapping[str, np.ndarray]:
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
    arrays = signature.run({"inputs": np.array(examples, object)}, timeout_s)
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
    given = [array for array in (scores, names) if array is not None]
    if not given:
        raise invalid(f"Expected classification outputs scores or classes; got {sorted(outputs)}")
    for array in given:
        if array.ndim != 2 or array.shape != given[0].shape:
            raise invalid(
                "Expected Tensor shape: [batch_size num_classes], the same for scores and classes; "
                f"got {' and '.join(str(array.shape) for array in given)}"
            )
    _check_dtype("scores", scores, np.float32)
    _check_dtype("classes", names, np.object_)
    for row in range(len(given[0])):
        line = result.classifications.add()
        for column in range(given[0].shape[1]):
            entry = line.classes.add()
            if scores is not None:
                entry.score = float(scores[row][column])
            if names is not None:
                entry.label = _text(names[row][column])


def _fill_values(
    result: regression_pb2.RegressionResult, outputs: Mapping[str, np.ndarray]
) -> None:
    if "outputs" not in outputs:
        raise invalid(f"Expected a regression output named outputs; got {sorted(outputs)}")
    values = outputs["outputs"]
    if values.ndim != 1 and values.shape[1:] != (1,):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1]; "
            f"got {values.shape}"
        )
    _check_dtype("outputs", values, np.float32)
    result.regressions.extend(
        regression_pb2.Regression(value=value) for value in values.ravel().tolist()
    )


def _check_dtype(alias: str, array: np.ndarray | None, dtype: type) -> None:
    if array is not None and array.dtype != dtype:
        expected, given = (tf.dtypes.as_dtype(kind).name for kind in (dtype, array.dtype))
        raise invalid(f"Expected {alias} Tensor of {expected}. Got: {given}")


def _text(label: bytes) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError:
        raise invalid(f"Expected classes Tensor of text. Got: {label!r}") from None


def _fill_spec(spec, servable: Servable, signature: str) -> None:  # type: ignore[no-untyped-def]
    spec.name, spec.signature_name = servable.name, signature
    spec.version.value = servable.version
