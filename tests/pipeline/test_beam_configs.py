"""The documented Beam sections: recipes take them, Beam's own parser knows every option in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    PortableOptions,
    StandardOptions,
)

from components import datasets
from components.datasets.base import Source
from components.datasets.prepare import prepare
from components.example_gen.executor import Executor
from pipeline import config
from pipeline.build import create_pipeline
from pipeline.nodes import IN_MEMORY_BEAM, IN_THREADS
from pipeline.paths import Paths

CONFIGS = config.CONFIGS / "beam"
RUNNERS = {
    "dataflow": "DataflowRunner",
    "flink": "FlinkRunner",
    "spark": "PortableRunner",
    "workers": "FnApiRunner",
}


def args(name: str) -> list[str]:
    return yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["beam"]["args"]


def unknown(given: list[str]) -> list[str]:
    """Options that Beam's parser does not turn into a setting."""
    found = PipelineOptions(given).get_all_options(drop_default=True)
    names = (arg.removeprefix("--").partition("=")[0].removeprefix("no_") for arg in given)
    return [name for name in names if name not in found]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    spec = datasets.resolve("scenes", Source(size=24))
    return spec, prepare(spec, tmp_path_factory.mktemp("tfds"))


def test_every_section_is_tested():
    assert sorted(path.stem for path in CONFIGS.glob("*.yaml")) == sorted(RUNNERS)


@pytest.mark.parametrize("name", RUNNERS)
def test_a_recipe_takes_it_and_every_beam_node_gets_it(name, tmp_path):
    recipe = config.load("digits_cgan", [f"beam.args={json.dumps(args(name))}"])
    wired = create_pipeline(recipe, Paths.of("r", str(tmp_path / "out")))
    assert list(wired.beam_pipeline_args)[: len(args(name))] == args(name)


@pytest.mark.parametrize("given", [[], args("workers")])
def test_models_are_asked_in_threads_unless_the_recipe_says_how(given, tmp_path):
    recipe = config.load("digits_cgan", [f"beam.args={json.dumps(given)}"])
    wired = create_pipeline(recipe, Paths.of("r", str(tmp_path / "out")))
    asking = {
        node.id
        for node in wired.components
        if set(IN_THREADS) <= set(getattr(node.executor_spec, "beam_pipeline_args", ()))
    }
    assert asking == (set() if given else {"ReferenceStatistics", "GenerativeEvaluator"})
    threads = PipelineOptions([*IN_MEMORY_BEAM, *IN_THREADS]).view_as(DirectOptions)
    assert threads.direct_running_mode == "multi_threading"
    assert unknown([*IN_MEMORY_BEAM, *IN_THREADS]) == []


@pytest.mark.parametrize("name", RUNNERS)
def test_beams_parser_knows_every_option(name):
    options = PipelineOptions(args(name))
    assert options.view_as(StandardOptions).runner == RUNNERS[name]
    assert unknown(args(name)) == []
    if name == "dataflow":
        cloud = options.view_as(GoogleCloudOptions)
        assert cloud.temp_location.startswith("gs://")
        assert cloud.validate(_Validator()) == []
    if name in ("flink", "spark"):
        assert options.view_as(PortableOptions).environment_config == "localhost:50000"


@pytest.mark.parametrize("name", RUNNERS)
def test_tfx_does_not_pack_itself_for_every_node(name):
    from tfx.utils.dependency_utils import make_beam_dependency_flags

    assert make_beam_dependency_flags(args(name)) == args(name)


def test_an_option_that_beam_does_not_know_would_be_found():
    assert unknown(["--runner=FlinkRunner", "--flink_mster=x:1"]) == ["flink_mster"]


class _Validator:
    """What Beam's options ask of a validator beyond their own rules: nothing here."""

    def is_service_runner(self) -> bool:
        return False

    def validate_gcs_path(self, view, name) -> list[str]:
        return [] if str(getattr(view, name)).startswith("gs://") else [name]


@pytest.mark.slow
def test_two_worker_processes_write_the_same_bytes(scenes, tmp_path):
    from tfx.types import standard_artifacts

    _, ready = scenes
    found = []
    for name, options in (("one", IN_MEMORY_BEAM), ("two", args("workers"))):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / name)
        Executor(Executor.Context(beam_pipeline_args=list(options))).Do(
            {},
            {"examples": [examples]},
            {
                "dataset": "scenes",
                "source": json.dumps({"size": 24}),
                "splits": json.dumps({"train": "train", "eval": "test"}),
                "data_dir": str(Path(ready.data_path).parents[2]),
                "num_shards": 3,
            },
        )
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in files})
    assert len(found[0]) == 7
    assert found[0] == found[1]
