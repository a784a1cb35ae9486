"""Classify and Regress: outputs that do not fit are the model's fault, in words, never a crash."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, regression_pb2

from serving.classify import classify, regress
from serving.status import Code, StatusError

REQUESTS = {
    classify: classification_pb2.ClassificationRequest,
    regress: regression_pb2.RegressionRequest,
}
TWO = np.float32([[0.25, 0.75]])
LABEL = np.array([[b"a", b"b"]], object)


def ask(method, **outputs: np.ndarray):
    """Ask a model for one example that answers with these outputs."""
    definition = meta_graph_pb2.SignatureDef()
    definition.inputs["inputs"].dtype = types_pb2.DT_STRING
    signature = SimpleNamespace(definition=definition, run=lambda _, timeout_s: outputs)
    servable = SimpleNamespace(name="m", version=1, signature=lambda _: signature)
    request = REQUESTS[method]()
    request.input.example_list.examples.add()
    return method(servable, request).result


def test_scores_or_labels_or_both():
    both = ask(classify, scores=TWO, classes=LABEL).classifications[0].classes
    assert [(c.label, c.score) for c in both] == [("a", 0.25), ("b", 0.75)]
    assert [c.label for c in ask(classify, scores=TWO).classifications[0].classes] == ["", ""]
    assert [c.score for c in ask(classify, classes=LABEL).classifications[0].classes] == [0, 0]


@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_number_per_example(shape):
    assert [r.value for r in ask(regress, outputs=np.full(shape, 0.5, "f4")).regressions] == [0.5]


@pytest.mark.parametrize(
    ("method", "outputs", "words"),
    [
        (classify, {"scores": TWO[0, :1]}, "Expected Tensor shape: [batch_size num_classes]"),
        (classify, {"scores": TWO, "classes": LABEL[:, :1]}, "Expected Tensor shape: [batch_size"),
        (classify, {"scores": TWO.astype(int)}, "Expected scores Tensor of float32. Got: int64"),
        (classify, {"classes": TWO}, "Expected classes Tensor of string. Got: float32"),
        (classify, {"classes": np.array([[b"\xff"]], object)}, "Expected classes Tensor of text."),
        (classify, {"outputs": TWO}, "Expected classification outputs scores or classes"),
        (regress, {"outputs": TWO}, "Expected output Tensor shape to be either [batch_size] or"),
        (regress, {"outputs": LABEL[:, 0]}, "Expected outputs Tensor of float32. Got: string"),
        (regress, {"scores": TWO}, "Expected a regression output named outputs"),
    ],
)
def test_outputs_that_do_not_fit(method, outputs, words):
    with pytest.raises(StatusError) as refused:
        ask(method, **outputs)
    assert refused.value.code == Code.INVALID_ARGUMENT
    assert refused.value.message[: len(words)] == words
