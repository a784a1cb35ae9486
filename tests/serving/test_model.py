"""Life of versions: load before unload, half-written folders, failures, warm-up, labels."""

from __future__ import annotations

import shutil
import threading
import time

import prometheus_client
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving import servable
from serving.config import ModelSettings
from serving.model import Model, State
from serving.process_metrics import WARM_UPS
from serving.status import StatusError
from serving.versions import Policy
from serving.warmup import WARMUP_FILE

REGISTRY = prometheus_client.CollectorRegistry()
REGISTRY.register(WARM_UPS)


@pytest.fixture
def base(tmp_path):
    return tmp_path / "model"


def states(model: Model) -> dict[int, int]:
    return {version: state for version, (state, _) in model.statuses().items()}


def test_a_new_version_replaces_the_old_and_a_deleted_one_gives_it_back(base, generator_dir, push):
    push(generator_dir, base, 1)
    model = Model(ModelSettings("m", base))
    model.poll()
    assert model.available() == [1]
    push(generator_dir, base, 2)
    model.poll()
    assert states(model) == {2: State.AVAILABLE, 1: State.END}
    shutil.rmtree(base / "2")
    model.poll()
    assert states(model) == {2: State.END, 1: State.AVAILABLE}


def test_a_request_under_way_keeps_its_version(base, generator_dir, push):
    push(generator_dir, base, 1)
    model = Model(ModelSettings("m", base))
    model.poll()
    with model.use() as held:
        push(generator_dir, base, 2)
        model.poll()
        assert states(model) == {2: State.AVAILABLE, 1: State.UNLOADING}
        ids = tf.constant([1], tf.int64)
        assert held.signatures["generate"].run({"seed": ids, "label": ids})["image"].shape[0] == 1
        with model.use() as newer:
            assert newer.version == 2
    assert states(model)[1] == State.END


def test_a_half_written_version_waits_until_it_is_whole(base, generator_dir, push):
    push(generator_dir, base, 1)
    model = Model(ModelSettings("m", base))
    model.poll()
    # The order of TFX's Pusher: everything else, then saved_model.pb, which may be seen cut off.
    shutil.copytree(generator_dir, base / "2", ignore=shutil.ignore_patterns("saved_model.pb"))
    model.poll()
    assert states(model) == {2: State.LOADING, 1: State.AVAILABLE}
    graph = (generator_dir / "saved_model.pb").read_bytes()
    (base / "2" / "saved_model.pb").write_bytes(graph[: len(graph) // 2])
    model.poll()
    assert states(model) == {2: State.END, 1: State.AVAILABLE}
    assert model.statuses()[2][1].message.startswith(f"no readable saved_model.pb in {base}/2")
    (base / "2" / "saved_model.pb").write_bytes(graph)
    model.poll()
    assert states(model) == {2: State.AVAILABLE, 1: State.END}


def test_a_version_without_its_variables_is_not_served_until_they_come(base, generator_dir, push):
    push(generator_dir, base, 1)
    shutil.copytree(generator_dir, base / "2", ignore=shutil.ignore_patterns("variables"))
    model = Model(ModelSettings("m", base))
    model.poll()
    assert states(model) == {2: State.END, 1: State.AVAILABLE}
    failure = model.statuses()[2][1]
    model.poll()
    assert model.statuses()[2][1] is failure, "an unchanged folder is not tried again"
    shutil.copytree(generator_dir / "variables", base / "2" / "variables", dirs_exist_ok=True)
    model.poll()
    assert states(model) == {2: State.AVAILABLE, 1: State.END}


def test_a_failed_version_that_leaves_and_comes_back_is_tried_again(base, kit_dir, push):
    version = push(kit_dir, base, 1)
    table = version / "saved_model.pb"
    whole = table.read_bytes()
    table.write_bytes(b"junk")
    model = Model(ModelSettings("m", base))
    for _ in range(2):
        model.poll()
    assert model.loads() == {(str(version), "fail"): 1}
    version.rename(base / "away")
    model.poll()
    assert states(model) == {1: State.END}, "its failure is still told"
    (base / "away").rename(version)
    model.poll()
    assert model.loads() == {(str(version), "fail"): 2}
    table.write_bytes(whole)
    model.poll()
    assert states(model) == {1: State.AVAILABLE}


def test_a_version_that_is_deleted_while_it_loads_has_failed(base, kit_dir, push, monkeypatch):
    version = push(kit_dir, base, 1)
    loaded = servable.Graph

    def deleting(*args):
        made = loaded(*args)
        shutil.rmtree(version)
        return made

    monkeypatch.setattr(servable, "Graph", deleting)
    model = Model(ModelSettings("m", base))
    model.poll()
    state, error = model.statuses()[1]
    assert state == State.END and "FileNotFoundError" in error.message


def test_without_polling_only_a_wake_looks_again(base, kit_dir, push):
    push(kit_dir, base, 1)
    model, stopping = Model(ModelSettings("m", base)), threading.Event()
    looks: list[float] = []
    poll = model.poll
    model.poll = lambda: (looks.append(time.monotonic()), poll())
    thread = threading.Thread(target=model.follow, args=(0.0, stopping))
    thread.start()
    assert model.polled.wait(30)
    time.sleep(0.3)
    assert len(looks) == 1
    model.wake.set()
    while len(looks) < 2:
        time.sleep(0.01)
    stopping.set()
    model.wake.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_file_named_like_a_version_and_a_lost_base_path_change_nothing(base, generator_dir, push):
    push(generator_dir, base, 1)
    (base / "9").write_text("no folder")
    model = Model(ModelSettings("m", base))
    model.poll()
    assert model.available() == [1]
    base.rename(base.with_name("away"))
    model.poll()
    assert model.available() == [1]
    base.mkdir()
    model.poll()
    assert model.available() == [], "an empty base path unloads everything"
    with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(m\)"):
        model.pick()


def test_policies_and_labels_choose(base, generator_dir, push):
    for version in (1, 2, 10):
        push(generator_dir, base, version)
    settings = ModelSettings("m", base, Policy(latest={"num_versions": 2}), {"old": 2, "gone": 1})
    model = Model(settings)
    model.poll()
    assert model.available() == [10, 2]
    assert model.pick(label="old") == 2
    with pytest.raises(StatusError, match=r"Specific\(m, 1\)"):
        model.pick(label="gone")


def test_a_model_that_leaves_the_config_loads_no_further_version(base, kit_dir, push, monkeypatch):
    for version in (1, 2, 3):
        push(kit_dir, base, version)
    every = Policy()
    every.all.SetInParent()
    model = Model(ModelSettings("m", base, every))
    loaded = servable.Graph

    def leaving(*args):
        if not model._retired.is_set():
            model.retire()
        return loaded(*args)

    monkeypatch.setattr(servable, "Graph", leaving)
    model.follow(0.0, threading.Event())
    assert model.loads() == {(str(base / "3"), "success"): 1}
    assert states(model) == {3: State.END}


def warmup_record(signature: str) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "whatever"
    request.model_spec.signature_name = signature
    for alias in ("seed", "label"):
        request.inputs[alias].CopyFrom(tf.make_tensor_proto([1], tf.int64))
    log = prediction_log_pb2.PredictLog(request=request)
    return prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString()


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([warmup_record("generate"), warmup_record("generate_png")], None),
        ([warmup_record("generate"), warmup_record("nope")], 'key "nope" not found'),
        ([b"\xff\xff"], "Failed to parse warmup record 0"),
        ([prediction_log_pb2.PredictionLog().SerializeToString()], "Unsupported log_type"),
        ([warmup_record("generate")] * 1001, "exceeds the maximum"),
    ],
    ids=["good", "request fails", "no record", "other kind", "too many"],
)
def test_warm_up_runs_first_and_a_failing_record_fails_the_load(
    base, generator_dir, push, records, reason
):
    push(generator_dir, base, 1)
    model = Model(ModelSettings("m", base))
    model.poll()
    shutil.copytree(generator_dir, base / "tmp")
    (base / "tmp" / WARMUP_FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(base / "tmp" / WARMUP_FILE)) as writer:
        for record in records:
            writer.write(record)
    (base / "tmp").rename(base / "2")
    model.poll()
    assert model.available() == ([1] if reason else [2])
    fault = model.statuses()[2][1]
    if reason:
        assert reason in fault.message
    labels = {"model_path": str(base / "2"), "status": fault.code.name if fault else "OK"}
    times = REGISTRY.get_sample_value
    assert times(":tensorflow:serving:model_warmup_latency_count", labels) == 1
    assert times(":tensorflow:serving:model_warmup_latency_sum", labels) > 0


def test_swapping_under_load_fails_no_request(base, generator_dir, push):
    push(generator_dir, base, 1)
    model = Model(ModelSettings("m", base))
    model.poll()
    stop, seen, errors = threading.Event(), set(), []
    ids = tf.constant([1, 2], tf.int64)

    def ask():
        while not stop.is_set():
            try:
                with model.use() as held:
                    held.signatures["generate"].run({"seed": ids, "label": ids})
                    seen.add(held.version)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()

    def await_answer_by(version):
        deadline = time.monotonic() + 30
        while version not in seen and not errors and time.monotonic() < deadline:
            time.sleep(0.001)

    await_answer_by(1)
    for version in (2, 3, 4):
        push(generator_dir, base, version)
        model.poll()
    await_answer_by(4)
    shutil.rmtree(base / "4")
    model.poll()
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {1, 4} <= seen
    assert model.available() == [3]
    assert [entry.users for entry in model._entries.values()] == [0] * 4
