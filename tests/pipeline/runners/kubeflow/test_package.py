"""Packages as files: golden, reproducible, read back by KFP, small, sealed."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp import components
from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes_pb
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline import config
from pipeline.runners.kubeflow import handover, package, package_file, parameters
from pipeline.runners.kubeflow.runner import compile_recipe
from trainer.errors import UserError

FOLDER = Path(__file__).parent / "golden"
RECIPES = {
    "digits_cgan": "digits_cgan",
    "on_gpus": str(FOLDER / "on_gpus.recipe.yaml"),
    "on_spot": str(FOLDER / "on_spot.recipe.yaml"),
}
BLOB = re.compile(r"\bH4s[\w+/]+={0,2}")
REWRITE = "GENVISION_WRITE_GOLDEN"
"""Environment variable: set it to write the golden files anew, then look at the difference."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    return {
        name: compile_recipe(config.load(recipe), folder / f"{name}.yaml", "reg.example/gan:1.2")
        for name, recipe in RECIPES.items()
    }


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("name", RECIPES)
def test_the_package_is_the_golden_one(compiled, name: str) -> None:
    """All but the nodes' own settings, which hold fingerprints of the code."""
    text = BLOB.sub("COMPRESSED", compiled[name].read_text())
    text = text.rpartition(package_file.SEAL)[0]
    golden = FOLDER / f"{name}.yaml"
    if os.environ.get(REWRITE):
        golden.write_text(text)
    assert text == golden.read_text(), f"if this is meant: {REWRITE}=1, and look at the difference"


@pytest.mark.parametrize("name", RECIPES)
def test_kfp_reads_the_package_back(compiled, name: str) -> None:
    spec, platforms = documents(compiled[name])
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert message.schema_version == "2.1.0"
    executors = message.deployment_spec["executors"]
    assert {"exec-trainer", "exec-pusher", "exec-exit-report"} <= set(executors)
    for settings in platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
        json_format.ParseDict(settings, kubernetes_pb.KubernetesExecutorConfig())
    loaded = components.load_component_from_text(compiled[name].read_text())
    assert (
        loaded.component_spec.inputs["train_steps"].default
        == config.load(RECIPES[name]).train.steps
    )


@pytest.mark.parametrize("name", RECIPES)
def test_names_suit_argo_and_every_task_leaves_caching_to_tfx(compiled, name: str) -> None:
    (spec, _) = documents(compiled[name])
    graphs = [spec["root"]["dag"], spec["components"]["comp-exit-handler-1"]["dag"]]
    for task_name, task in (item for graph in graphs for item in graph["tasks"].items()):
        assert re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]*", task_name)
        assert len(f"{task_name}-driver") <= 128
        assert not task.get("cachingOptions", {}).get("enableCache")
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", spec["pipelineInfo"]["name"])


def test_ten_tasks_stay_far_below_the_limits(compiled) -> None:
    text = compiled["digits_cgan"].read_text()
    blobs = BLOB.findall(text)
    assert len(blobs) == 2 * text.count("pipeline.runners.kubeflow.node")
    assert len(text) < 55_000 and sum(map(len, blobs)) < 18_000
    # The largest argument is a fiftieth of what Linux takes.
    assert max(map(len, blobs)) < 131_072 / 50


def test_texts_that_look_like_numbers_are_quoted(compiled) -> None:
    """Kubeflow's reader takes 1e3 for a number where PyYAML does not."""
    text = compiled["on_gpus"].read_text()
    assert 'value: "1e3"' in text and 'value: "0o17"' in text


def test_another_process_compiles_the_same_bytes(sample_in, tmp_path: Path) -> None:
    sample = sample_in()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sample_nodes\n"
        "from pipeline.kubernetes import Kubernetes\n"
        "from pipeline.runners.kubeflow.runner import *\n"
        "settings = Kubernetes(gates=('Judge',), ui='http://kfp.example')\n"
        "config = KubeflowDagRunnerConfig('reg/sample:1', sys.argv[3], settings)\n"
        "KubeflowDagRunner(config).run(sample_nodes.wire(sys.argv[2]))\n"
    )
    arguments = [Path(__file__).parent / "sample", sample.folder, tmp_path / "again.yaml"]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "again.yaml").read_bytes() == sample.path.read_bytes()


def test_any_pipeline_gets_its_parameters_with_types_and_defaults(sample_in) -> None:
    sample = sample_in()
    (spec, _) = documents(sample.path)
    assert spec["root"]["inputDefinitions"]["parameters"] == {
        "least": {"defaultValue": 2.0, "isOptional": True, "parameterType": "NUMBER_INTEGER"},
        "metadata": {
            "defaultValue": "grpc://metadata-grpc-service.kubeflow:8080",
            "isOptional": True,
            "parameterType": "STRING",
        },
        "number_count": {
            "defaultValue": 3.0, "isOptional": True, "parameterType": "NUMBER_INTEGER",
        },
        "pipeline_root": {
            "defaultValue": "gs://bucket/root", "isOptional": True, "parameterType": "STRING",
        },
    }  # fmt: skip
    tasks = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert tasks["after-tell"]["dependentTasks"] == ["tell"]
    assert tasks["latest-model"]["dependentTasks"] == ["learn"]
    assert tasks["count"]["dependentTasks"] == ["latest-model", "old"]
    assert tasks["latest-model"]["taskInfo"]["name"] == "Latest.model"


def edit(text: str) -> str:
    return text.replace("maxRetryCount: 2", "maxRetryCount: 9", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edit, "was edited by hand"),
        (lambda text: text.rpartition(package_file.SEAL)[0], "its last line has no seal"),
        (lambda text: "just: yaml\n", "is no package of"),
    ],
)
def test_an_edited_package_is_refused_in_one_line(compiled, tmp_path, change, words: str) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text(change(compiled["digits_cgan"].read_text()))
    with pytest.raises(UserError, match=words):
        package_file.read(path)


def test_a_slice_that_was_changed_is_refused_in_one_line() -> None:
    for text in ("H4sIAAAA", "not base64!", base64.b64encode(b"no gzip").decode()):
        with pytest.raises(UserError, match="edited by hand"):
            handover.unpack_node(text)


def test_names_that_fall_together_are_refused() -> None:
    assert package.task_names(["TfdsExampleGen", "Trainer.gan", "my_node"]) == {
        "TfdsExampleGen": "tfds-example-gen", "Trainer.gan": "trainer-gan", "my_node": "my-node",
    }  # fmt: skip
    with pytest.raises(UserError, match="'my_node' and 'my-node' both come to task 'my-node'"):
        package.task_names(["my_node", "my-node"])
    twins = [parameters.Parameter("a_b", str, "", key) for key in ("a-b", "a.b")]
    with pytest.raises(UserError, match=r"'a.b' and 'a-b' both come to 'a_b'"):
        parameters.check_names(twins)
