"""The Predict contract: codes, wording, typed fields, response spec."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from serving import tensors, wire
from serving.model_server import ModelServer
from serving.predict import predict
from serving.servable import Servable, Signature

Stub = prediction_service_pb2_grpc.PredictionServiceStub


@pytest.fixture(scope="module")
def stub(server: ModelServer) -> Iterator[Stub]:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(server.target, options=options) as channel:
        yield Stub(channel)


def request(model="kit", signature="", version=None, label="", outputs=(), **inputs):
    message = predict_pb2.PredictRequest(output_filter=outputs)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    if label:
        message.model_spec.version_label = label
    for alias, value in inputs.items():
        proto = value if isinstance(value, tensor_pb2.TensorProto) else tf.make_tensor_proto(value)
        message.inputs[alias].CopyFrom(proto)
    return message


X = np.array([1.0, 2.0], np.float32)
D = np.array([1.0, 2.0], np.float64)
I = np.array([1, 2], np.int32)  # noqa: E741
ODD = tensor_pb2.TensorProto

REFUSED = [
    (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
    (request(model=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    (request(model="no"), "NOT_FOUND", "Servable not found for request: Latest(no)"),
    (
        request(model="no", version=7),
        "NOT_FOUND",
        "Servable not found for request: Specific(no, 7)",
    ),
    (request(version=7, x=X), "NOT_FOUND", "Servable not found for request: Specific(kit, 7)"),
    (request(label="beta"), "INVALID_ARGUMENT", "Unrecognized servable version label: beta"),
    (
        request(signature="nope", x=X),
        "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    ),
    (
        request(signature="two", a=X),
        "INVALID_ARGUMENT",
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). "
        "Sent extra: {}. Missing but required: {b}.",
    ),
    (
        request(x=X, z=X),
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
        "Sent extra: {z}. Missing but required: {}.",
    ),
    (
        request(signature="two", a=X, c=X),
        "INVALID_ARGUMENT",
        "Signature input alias: b(feed name: two_b:0) not found in request and no default value "
        "provided. Inputs expected to be in the set {a,b}.",
    ),
    (
        request(x=X, outputs=["z"]),
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: z Outputs expected to be in the set "
        "{twice,y}.",
    ),
    (
        request(x=X, outputs=["y", "y"]),
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: y",
    ),
    (request(x=D), "INVALID_ARGUMENT", "Expects arg[0] to be float but double is provided"),
    (
        request(signature="two", a=X, b=I),
        "INVALID_ARGUMENT",
        "Expects arg[1] to be float but int32 is provided",
    ),
]

UNREADABLE = [
    ODD(dtype=0),
    ODD(dtype=999),
    ODD(dtype=101, float_val=[1.0]),
    ODD(dtype=1, tensor_content=b"123", tensor_shape={"dim": [{"size": 1}]}),
    ODD(dtype=7, tensor_content=b"123", tensor_shape={"dim": [{"size": 1}]}),
    ODD(dtype=1, tensor_shape={"dim": [{"size": -1}]}),
    ODD(dtype=1, tensor_shape={"dim": [{"size": 1}] * 255}),
    ODD(dtype=1, float_val=[1.0], tensor_shape={"dim": [{"size": 1}] * 65}),
    ODD(dtype=1, float_val=[1.0], tensor_shape={"unknown_rank": True, "dim": [{"size": 2**28}]}),
    ODD(dtype=1, tensor_shape={"dim": [{"size": 2**40}]}),
    ODD(dtype=1, tensor_shape={"dim": [{"size": 2**62}, {"size": 2**62}]}),
    ODD(dtype=7, tensor_shape={"dim": [{"size": 2**40}]}),
]


@pytest.mark.parametrize(("asked", "code", "words"), REFUSED, ids=[w[:40] for *_, w in REFUSED])
def test_refusals_have_the_contracts_code_and_words(stub, asked, code, words):
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(asked, timeout=10)
    assert (refused.value.code().name, refused.value.details()) == (code, words)


@pytest.mark.parametrize("proto", UNREADABLE)
def test_tensors_that_cannot_be_read_are_refused_and_the_next_request_answered(stub, proto):
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(request(x=proto), timeout=10)
    assert refused.value.code().name == "INVALID_ARGUMENT"
    assert refused.value.details() == "tensor parsing error: x"
    assert stub.Predict(request(x=X), timeout=10).outputs["y"].float_val == [2.5, 3.0]


def test_an_operations_failure_keeps_its_code_and_words(stub):
    zero = np.zeros(2, np.int32)
    with pytest.raises(grpc.RpcError) as failed:
        stub.Predict(request(signature="divide", a=I, b=zero), timeout=10)
    assert failed.value.code().name == "INVALID_ARGUMENT"
    assert failed.value.details().startswith("Integer division by zero")
    with pytest.raises(grpc.RpcError) as failed:
        stub.Predict(request(signature="two", a=X, b=X.repeat(2)), timeout=10)
    assert failed.value.details().startswith("Incompatible shapes: [2] vs. [4]")


def test_the_response_names_model_version_and_signature(stub):
    answer = stub.Predict(request(x=X), timeout=10)
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("kit", 2, "serving_default")
    assert sorted(answer.outputs) == ["twice", "y"]
    assert stub.Predict(request(x=X, version=1), timeout=10).model_spec.version.value == 1
    assert stub.Predict(request(x=X, label="stable"), timeout=10).model_spec.version.value == 1


def test_an_output_filter_leaves_the_others_out(stub):
    answer = stub.Predict(request(x=X, outputs=["y"]), timeout=10)
    assert list(answer.outputs) == ["y"]


def test_what_an_output_filter_leaves_out_is_not_fetched():
    fetched = []

    class Recorder:
        def run(self, feeds, fetches, timeout_s):
            fetched.append(sorted(fetches))
            return [X for _ in fetches]

    definition = meta_graph_pb2.SignatureDef()
    definition.inputs["x"].name = "x:0"
    definition.inputs["x"].dtype = types_pb2.DT_FLOAT
    for alias in ("y", "z"):
        definition.outputs[alias].name = f"{alias}:0"
    whole = Signature("serving_default", definition, Recorder())
    model = Servable("kit", 1, {}, {"serving_default": whole})
    for outputs in (["z"], ["z", "y"], []):
        answer = predict(model, request(x=X, outputs=outputs))
        assert sorted(answer.outputs) == sorted(outputs or ["y", "z"])
    assert fetched == [["z:0"], ["y:0", "z:0"], ["y:0", "z:0"]]
    assert whole.only(["z"]) == whole.only(["z"]) != whole, "requests for the same may join"


@pytest.mark.parametrize(
    ("proto", "shape", "values"),
    [
        (tf.make_tensor_proto(X[:0]), [0], []),
        (tf.make_tensor_proto(2.0), [], [3.0]),
        (tf.make_tensor_proto([[2.0, 4.0]]), [1, 2], [3.0, 4.0]),
        (ODD(dtype=1, float_val=[2.0], tensor_shape={"dim": [{"size": 3}]}), [3], [3.0] * 3),
        (ODD(dtype=1, tensor_shape={"dim": [{"size": 2}]}), [2], [2.0, 2.0]),
        (ODD(dtype=1, float_val=[2, 4], tensor_shape={"dim": [{"size": 1}]}), [1], [3.0]),
        (ODD(dtype=1, int_val=[9], tensor_shape={"dim": [{"size": 1}]}), [1], [2.0]),
        (ODD(dtype=1, float_val=[2.0], tensor_shape={"unknown_rank": True}), [], [3.0]),
    ],
)
def test_odd_tensors_are_read_as_the_cpp_server_reads_them(stub, proto, shape, values):
    y = stub.Predict(request(x=proto), timeout=10).outputs["y"]
    assert y.HasField("tensor_shape"), "a scalar has one too, without dimensions"
    assert [dim.size for dim in y.tensor_shape.dim] == shape
    assert list(y.float_val) == values


def test_every_dtype_comes_back_in_its_typed_field(stub):
    answer = stub.Predict(request(signature="casts", v=I), timeout=10)
    fields = {
        "uint8": "int_val",
        "int64": "int64_val",
        "float64": "double_val",
        "float16": "half_val",
        "bfloat16": "half_val",
        "bool": "bool_val",
        "uint32": "uint32_val",
        "uint64": "uint64_val",
        "complex64": "scomplex_val",
    }
    assert sorted(answer.outputs) == sorted(fields)
    for alias, field in fields.items():
        proto = answer.outputs[alias]
        assert not proto.tensor_content
        assert len(getattr(proto, field)) == (4 if alias == "complex64" else 2)
        wanted = [True, True] if alias == "bool" else [1, 2]
        assert tf.make_ndarray(proto).tolist() == wanted, alias


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.uint64])
def test_packed_values_are_protobufs_own_bytes(kind):
    values = np.array([*range(256), 0, 255], kind)
    made = tensors.to_proto(values, into=ODD())
    assert tf.make_ndarray(made).tolist() == values.tolist()
    field = {np.uint8: "int_val", np.int32: "int_val", np.uint64: "uint64_val"}[kind]
    plain = ODD(dtype=made.dtype, tensor_shape=made.tensor_shape, **{field: values.tolist()})
    assert made.SerializeToString() == plain.SerializeToString()
    if kind is not np.uint64:  # which our client does not read
        assert np.array_equal(wire.array(made), values)


def test_strings_are_bytes(stub):
    raw = np.array([b"\xff\x00\xfe", b"", "ä".encode()], np.object_)
    answer = stub.Predict(request(signature="echo", text=raw), timeout=10)
    assert list(answer.outputs["text_bytes"].string_val) == raw.tolist()
    lone = stub.Predict(request(signature="echo", text=tf.make_tensor_proto(b"a\0")), timeout=10)
    assert list(lone.outputs["text_bytes"].string_val) == [b"a\0"]
    assert not lone.outputs["text_bytes"].tensor_shape.dim


def test_messages_over_four_mebibytes_pass(stub):
    big = np.array([b"x" * (6 << 20)], np.object_)
    answer = stub.Predict(request(signature="echo", text=big), timeout=30)
    assert len(answer.outputs["text_bytes"].string_val[0]) == 6 << 20


@pytest.mark.parametrize("sign", ["s", "\N{OX}"])
def test_long_messages_are_cut_as_the_cpp_server_cuts_them(stub, sign):
    with pytest.raises(grpc.RpcError) as refused:
        stub.Predict(request(signature=sign * 5000, x=X), timeout=10)
    assert refused.value.code().name == "FAILED_PRECONDITION"
    # Bytes: no part of a character is left.
    assert 1020 < len(refused.value.details().encode()) - len("...TRUNCATED") <= 1024


def test_a_deadline_ends_the_run_and_frees_its_thread(stub):
    endless = np.array([2**31 - 1], np.int32)
    calls = [
        stub.Predict.future(request(signature="slow", rounds=endless), timeout=0.3)
        for _ in range(40)
    ]
    assert {call.code().name for call in calls} == {"DEADLINE_EXCEEDED"}
    assert stub.Predict(request(x=X), timeout=5).outputs["y"].float_val == [2.5, 3.0]


@pytest.mark.parametrize("junk", [b"\xff" * 100, b"\x0a\x03\x0a\x01\xff"])
def test_bytes_that_are_no_request_do_not_harm_the_server(server, stub, junk):
    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        with pytest.raises(grpc.RpcError) as refused:
            call(junk, timeout=10)
    assert refused.value.code().name == "INTERNAL"
    assert stub.Predict(request(x=X), timeout=5).outputs["y"].float_val == [2.5, 3.0]
