"""Metadata, status, classification and health as the contract has them."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tensorflow.core.example import example_pb2
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.model_server import serve_folder


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.target) as channel:
        yield channel


@pytest.fixture(scope="module")
def prediction(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def models(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def refusal(call, request):
    with pytest.raises(grpc.RpcError) as refused:
        call(request, timeout=10)
    return refused.value.code().name, refused.value.details()


def test_metadata_is_every_signature_def_unchanged(prediction, kit_dir):
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec={"name": "kit"}, metadata_field=["signature_def"]
    )
    response = prediction.GetModelMetadata(request, timeout=10)
    assert response.model_spec.version.value == 2
    assert response.model_spec.signature_name == ""
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    saved = saved_model_pb2.SavedModel.FromString((kit_dir / "saved_model.pb").read_bytes())
    assert dict(found.signature_def) == dict(saved.meta_graphs[0].signature_def)
    assert "__saved_model_init_op" in found.signature_def


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({}, ("INVALID_ARGUMENT", "Missing ModelSpec")),
        (
            {"model_spec": {"name": "kit"}},
            (
                "INVALID_ARGUMENT",
                "GetModelMetadataRequest must specify at least one metadata_field",
            ),
        ),
        (
            {"model_spec": {"name": "kit"}, "metadata_field": ["size"]},
            ("INVALID_ARGUMENT", "Metadata field size is not supported"),
        ),
        (
            {"model_spec": {"name": "no"}, "metadata_field": ["signature_def"]},
            ("NOT_FOUND", "Servable not found for request: Latest(no)"),
        ),
    ],
)
def test_metadata_refusals(prediction, fields, answer):
    request = get_model_metadata_pb2.GetModelMetadataRequest(**fields)
    assert refusal(prediction.GetModelMetadata, request) == answer


def test_status_lists_versions_and_refuses_unknown_ones(models):
    ask = get_model_status_pb2.GetModelStatusRequest
    rows = models.GetModelStatus(ask(model_spec={"name": "kit"}), timeout=10)
    seen = [(row.version, row.state, row.status.error_code) for row in rows.model_version_status]
    assert seen == [(2, 30, 0), (1, 30, 0)]
    one = ask(model_spec={"name": "kit", "version": {"value": 1}})
    assert [row.version for row in models.GetModelStatus(one).model_version_status] == [1]
    assert refusal(models.GetModelStatus, ask()) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    assert refusal(models.GetModelStatus, ask(model_spec={"name": "no"})) == (
        "NOT_FOUND",
        "Could not find any versions of model no",
    )
    seven = ask(model_spec={"name": "kit", "version": {"value": 7}})
    assert refusal(models.GetModelStatus, seven) == (
        "NOT_FOUND",
        "Could not find version 7 of model kit",
    )
    nothing = ask(model_spec={"name": "no", "version": {"value": 7}})
    assert refusal(models.GetModelStatus, nothing) == (
        "NOT_FOUND",
        "Could not find version 7 of model no",
    )


def test_classification_of_a_predict_only_model_is_invalid(prediction):
    ask = classification_pb2.ClassificationRequest
    empty = {"example_list": {"examples": [example_pb2.Example()]}}
    code, words = refusal(prediction.Classify, ask(model_spec={"name": "kit"}, input=empty))
    assert (code, words[:49]) == (
        "INVALID_ARGUMENT",
        "No classification inputs found in SignatureDef: i",
    )
    two = ask(model_spec={"name": "kit", "signature_name": "two"}, input=empty)
    assert refusal(prediction.Classify, two) == ("INVALID_ARGUMENT", "Expected one input Tensor.")
    no = ask(model_spec={"name": "kit", "signature_name": "no"}, input=empty)
    assert refusal(prediction.Classify, no) == (
        "INVALID_ARGUMENT",
        "No signature was found with the name: no",
    )
    assert refusal(prediction.Classify, ask(model_spec={"name": "no"}))[0] == "NOT_FOUND"


def test_a_signature_that_fits_classifies_and_regresses(prediction):
    three = {"example_list": {"examples": [example_pb2.Example() for _ in range(3)]}}
    spec = {"name": "kit", "signature_name": "lengths"}
    classes = prediction.Classify(
        classification_pb2.ClassificationRequest(
            model_spec={"name": "kit", "signature_name": "sizes"}, input=three
        ),
        timeout=10,
    )
    rows = classes.result.classifications
    assert [[(c.label, c.score) for c in row.classes] for row in rows] == [[("bytes", 0.0)]] * 3
    values = prediction.Regress(
        regression_pb2.RegressionRequest(model_spec=spec, input=three), timeout=10
    )
    assert [r.value for r in values.result.regressions] == [1.0] * 3
    none = regression_pb2.RegressionRequest(model_spec=spec)
    assert refusal(prediction.Regress, none) == ("INVALID_ARGUMENT", "Input is empty.")
    both = inference_pb2.MultiInferenceRequest(
        input=three,
        tasks=[{"model_spec": spec, "method_name": "tensorflow/serving/regress"}],
    )
    results = prediction.MultiInference(both, timeout=10).results
    assert len(results[0].regression_result.regressions) == 3
    both.tasks[0].method_name = "other"
    assert refusal(prediction.MultiInference, both) == (
        "UNIMPLEMENTED",
        "Unsupported signature method_name: other",
    )
    both.tasks[0].model_spec.signature_name = "no"
    assert refusal(prediction.MultiInference, both) == (
        "INVALID_ARGUMENT",
        "Requested signature not found in model graph: no",
    )


@pytest.mark.parametrize("call", ["Classify", "Regress", "MultiInference"])
def test_a_request_without_a_model_is_refused_like_a_predict_request(prediction, call):
    empty = {
        "Classify": classification_pb2.ClassificationRequest(),
        "Regress": regression_pb2.RegressionRequest(),
        "MultiInference": inference_pb2.MultiInferenceRequest(),
    }[call]
    words = "ModelSpec has no name specified." if call == "MultiInference" else "Missing ModelSpec"
    assert refusal(getattr(prediction, call), empty) == ("INVALID_ARGUMENT", words)


def test_health_knows_the_servers_names(channel):
    check = health_pb2_grpc.HealthStub(channel).Check
    for name in ("", "ModelService", "PredictionService"):
        assert check(health_pb2.HealthCheckRequest(service=name), timeout=10).status == 1
    assert refusal(check, health_pb2.HealthCheckRequest(service="x"))[0] == "NOT_FOUND"


def test_those_who_watch_health_are_told_before_the_server_stops(tmp_path, kit_dir, push):
    push(kit_dir, tmp_path / "kit", 1)
    with (
        serve_folder("kit", tmp_path / "kit", port=0) as server,
        grpc.insecure_channel(server.target) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.health.leave()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()


def test_reflection_lists_services_and_describes_them(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"} <= set(
        database.get_services()
    )
    service = DescriptorPool(database).FindServiceByName("tensorflow.serving.PredictionService")
    assert service.FindMethodByName("Predict").input_type.name == "PredictRequest"
