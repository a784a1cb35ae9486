"""Classify, Regress and MultiInference: for signatures that fit, and refusals for the rest."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    regression_pb2,
)

from serving.servable import DEFAULT_SIGNATURE, Arrays, Run, Servable, Signature
from serving.status import Code, StatusError, invalid

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
Definition: TypeAlias = meta_graph_pb2.SignatureDef


def classify(
    servable: Servable,
    request: classification_pb2.ClassificationRequest,
    run: Run = Signature.run,
) -> classification_pb2.ClassificationResponse:
    """Answer a ClassificationRequest (`classifier.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only, and for answers that
        are no scores and names of classes.
    """
    signature = _classifier(_named(servable, request.model_spec.signature_name))
    response = classification_pb2.ClassificationResponse()
    _fill_classes(response.result, _answers(signature, request.input, run))
    _fill_spec(response.model_spec, servable, signature)
    return response


def regress(
    servable: Servable, request: regression_pb2.RegressionRequest, run: Run = Signature.run
) -> regression_pb2.RegressionResponse:
    """Answer a RegressionRequest (`regressor.cc`).

    Raises:
      StatusError: INVALID_ARGUMENT for a model with predict signatures only, and for answers that
        are not one number for each example.
    """
    signature = _regressor(_named(servable, request.model_spec.signature_name))
    response = regression_pb2.RegressionResponse()
    _fill_values(response.result, _answers(signature, request.input, run))
    _fill_spec(response.model_spec, servable, signature)
    return response


def multi_inference(
    servable: Servable, request: inference_pb2.MultiInferenceRequest, run: Run = Signature.run
) -> inference_pb2.MultiInferenceResponse:
    """Answer a MultiInferenceRequest (`multi_inference.cc`); nothing runs before all tasks fit.

    Raises:
      StatusError: UNIMPLEMENTED for another method than classify and regress; INVALID_ARGUMENT for
        tasks of several models, of one signature or of several input tensors.
    """
    signatures: list[Signature] = []
    for task in request.tasks:
        signature = _of_task(servable, task, request.tasks[0])
        if signature.name in (other.name for other in signatures):
            raise invalid(f"Several tasks ask for signature {signature.name}")
        signatures.append(signature)
        if len({s.definition.inputs["inputs"].name for s in signatures}) > 1:
            raise invalid("The signatures of all tasks must have the same input tensor")
    response = inference_pb2.MultiInferenceResponse()
    for task, signature in zip(request.tasks, signatures, strict=True):
        result = response.results.add()
        _fill_spec(result.model_spec, servable, signature)
        outputs = _answers(signature, request.input, run)
        if task.method_name == CLASSIFY:
            _fill_classes(result.classification_result, outputs)
        else:
            _fill_values(result.regression_result, outputs)
    return response


def _of_task(
    servable: Servable, task: inference_pb2.InferenceTask, first: inference_pb2.InferenceTask
) -> Signature:
    """Return the signature a task is about; the first task has named the model."""
    if task.model_spec.name != first.model_spec.name:
        raise invalid(
            "All tasks must name the same model; "
            f"got '{first.model_spec.name}' and '{task.model_spec.name}'"
        )
    name = task.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f"Requested signature not found in model graph: {name}")
    if task.method_name == CLASSIFY:
        return _classifier(signature)
    if task.method_name == REGRESS:
        return _regressor(signature)
    raise StatusError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")


def _named(servable: Servable, name: str) -> Signature:
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name or DEFAULT_SIGNATURE}")
    return signature


def _classifier(signature: Signature) -> Signature:
    """Return a signature that classifies, with what is needed of its outputs."""
    definition = signature.definition
    count = len(definition.outputs)
    _check(definition, "classification", 2, f"Expected one or two output Tensors, found {count}")
    outputs = {"scores", "classes"} & set(definition.outputs)
    if not outputs:
        raise invalid(
            f"Expected classification outputs scores or classes; got {sorted(definition.outputs)}"
        )
    return signature.only(outputs)


def _regressor(signature: Signature) -> Signature:
    definition = signature.definition
    _check(definition, "regression", 1, "Expected one output Tensor.")
    if "outputs" not in definition.outputs:
        raise invalid(
            f"Expected a regression output named outputs; got {sorted(definition.outputs)}"
        )
    return signature


def _check(definition: Definition, kind: str, most: int, too_many: str) -> None:
    """Refuse another input than serialised examples, and more than `most` outputs."""
    inputs = definition.inputs
    if len(inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if not 1 <= len(definition.outputs) <= most:
        raise invalid(too_many)
    if "inputs" not in inputs or inputs["inputs"].dtype != types_pb2.DT_STRING:
        shown = " ".join(str(definition).split())
        raise invalid(f"No {kind} inputs found in SignatureDef: {shown}")


def _answers(signature: Signature, given: input_pb2.Input, run: Run) -> Arrays:
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
    arrays = run(signature, {"inputs": np.array(examples, object)})
    for alias, array in arrays.items():
        if array.shape[:1] != (len(examples),):
            raise invalid(
                f"Expected output {alias} to have {len(examples)} rows; got shape {array.shape}"
            )
    return arrays


def _fill_classes(result: classification_pb2.ClassificationResult, outputs: Arrays) -> None:
    scores, names = outputs.get("scores"), outputs.get("classes")
    given = [array for array in (scores, names) if array is not None]
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


def _fill_values(result: regression_pb2.RegressionResult, outputs: Arrays) -> None:
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


def _fill_spec(spec, servable: Servable, signature: Signature) -> None:  # type: ignore[no-untyped-def]
    spec.name, spec.signature_name = servable.name, signature.name
    spec.version.value = servable.version
