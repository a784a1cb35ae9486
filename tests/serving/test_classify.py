"""Classification and regression: which signatures fit, and which answers."""

from __future__ import annotations

import numpy as np
import pytest
from tensorflow.core.example import example_pb2
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from serving.classify import CLASSIFY, REGRESS, classify, multi_inference, regress
from serving.servable import Servable, Signature
from serving.status import StatusError

TWO = {"example_list": {"examples": [example_pb2.Example()] * 2}}
SCORES = np.array([[1, 2], [3, 4]], np.float32)
NAMES = np.array([[b"a", b"b"], [b"c", b"d"]], object)


def model(feed: str = "in:0", **outputs: np.ndarray | None) -> Servable:
    """A version whose signature `s` has these outputs; `t` is the same on another tensor."""
    signatures = {}
    for name, tensor in (("s", feed), ("t", "other:0")):
        definition = meta_graph_pb2.SignatureDef()
        definition.inputs["inputs"].name = tensor
        definition.inputs["inputs"].dtype = types_pb2.DT_STRING
        for alias in outputs:
            definition.outputs[alias].name = alias
        signatures[name] = Signature(name, definition, None)
    return Servable("m", 1, {}, signatures)


def asked(kind, **outputs):
    """Ask signature `s` about two examples; its graph answers `outputs`."""
    request = kind(model_spec={"name": "m", "signature_name": "s"}, input=TWO)
    answer = classify if kind is classification_pb2.ClassificationRequest else regress
    return answer(model(**outputs), request, lambda s, _: {a: outputs[a] for a in s.outputs}).result


@pytest.mark.parametrize(
    ("outputs", "rows"),
    [
        ({"scores": SCORES, "classes": NAMES}, [[("a", 1), ("b", 2)], [("c", 3), ("d", 4)]]),
        ({"scores": SCORES}, [[("", 1), ("", 2)], [("", 3), ("", 4)]]),
        ({"classes": NAMES}, [[("a", 0), ("b", 0)], [("c", 0), ("d", 0)]]),
        ({"scores": SCORES, "other": None}, [[("", 1), ("", 2)], [("", 3), ("", 4)]]),
    ],
    ids=["both", "scores", "names", "another output is not asked for"],
)
def test_scores_and_names_become_classes(outputs, rows):
    result = asked(classification_pb2.ClassificationRequest, **outputs)
    assert [[(c.label, c.score) for c in r.classes] for r in result.classifications] == rows


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"scores": SCORES[:, 0]}, "Expected Tensor shape: [batch_size num_classes]"),
        ({"scores": SCORES.astype(int)}, "Expected scores Tensor of float32. Got: int64"),
        ({"classes": SCORES}, "Expected classes Tensor of string. Got: float32"),
        ({"classes": NAMES[:, :1], "scores": SCORES}, "Expected Tensor shape: [batch_size"),
        ({"classes": np.array([[b"\xff"]] * 2, object)}, "Expected classes Tensor of text."),
        ({"scores": SCORES[:1]}, "Expected output scores to have 2 rows; got shape (1, 2)"),
        ({"y": SCORES}, "Expected classification outputs scores or classes; got ['y']"),
        (
            {"scores": SCORES, "classes": NAMES, "y": SCORES},
            "Expected one or two output Tensors, found 3",
        ),
    ],
)
def test_answers_that_are_no_classes_are_refused(outputs, words):
    with pytest.raises(StatusError) as refused:
        asked(classification_pb2.ClassificationRequest, **outputs)
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert refused.value.message.startswith(words)


@pytest.mark.parametrize("values", [SCORES[:, 0], SCORES[:, :1]])
def test_one_number_for_each_example_is_a_regression(values):
    result = asked(regression_pb2.RegressionRequest, outputs=values)
    assert [r.value for r in result.regressions] == [1, 3]


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"outputs": SCORES}, "Expected output Tensor shape to be either [batch_size] or"),
        ({"outputs": NAMES[:, 0]}, "Expected outputs Tensor of float32. Got: string"),
        ({"scores": SCORES}, "Expected a regression output named outputs; got ['scores']"),
        ({"outputs": SCORES, "y": SCORES}, "Expected one output Tensor."),
    ],
)
def test_answers_that_are_no_regression_are_refused(outputs, words):
    with pytest.raises(StatusError) as refused:
        asked(regression_pb2.RegressionRequest, **outputs)
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert refused.value.message.startswith(words)


def task(signature: str = "s", method: str = REGRESS, name: str = "m") -> dict:
    return {"model_spec": {"name": name, "signature_name": signature}, "method_name": method}


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([task(), task("t", name="n")], "All tasks must name the same model; got 'm' and 'n'"),
        ([task(), task("t", name="")], "All tasks must name the same model; got 'm' and ''"),
        ([task(), task()], "Several tasks ask for signature s"),
        ([task(), task("t")], "The signatures of all tasks must have the same input tensor"),
        ([task(), task("t", CLASSIFY)], "Expected classification outputs scores or classes"),
        ([task(), task("no", "other")], "Requested signature not found in model graph: no"),
    ],
)
def test_tasks_that_do_not_belong_together_are_refused_before_any_runs(tasks, words):
    runs = []
    with pytest.raises(StatusError) as refused:
        multi_inference(
            model(outputs=None),
            inference_pb2.MultiInferenceRequest(input=TWO, tasks=tasks),
            lambda signature, _: runs.append(signature) or {"outputs": SCORES[:, 0]},
        )
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert refused.value.message.startswith(words)
    assert not runs


def test_tasks_on_one_input_tensor_are_answered_in_their_order():
    result = multi_inference(
        model("other:0", outputs=None),
        inference_pb2.MultiInferenceRequest(input=TWO, tasks=[task("t"), task("s")]),
        lambda signature, _: {"outputs": SCORES[:, int(signature.name == "t")]},
    )
    values = [[r.value for r in one.regression_result.regressions] for one in result.results]
    assert values == [[2, 4], [1, 3]]
    assert [one.model_spec.signature_name for one in result.results] == ["t", "s"]
