"""The documented Beam sections against stand-ins of their services, with the real ingestion.

Dataflow translates the pipeline and stops before it is sent; Flink gets it as a jar over REST; a
portable job service, as Spark's is one, really runs it in a worker that was started beside it.
"""

from __future__ import annotations

import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import apache_beam as beam
import pytest
import yaml
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, WorkerOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability import local_job_service
from apache_beam.runners.worker import worker_pool_main
from tfx.types import standard_artifacts

from components import datasets
from components.data_check import measure
from components.datasets.base import Source
from components.datasets.prepare import prepare
from components.example_gen import executor
from components.example_gen.plan import make_plan
from pipeline import config

SPLITS = {"train": "train", "eval": "test"}


def args(name: str, **values: str) -> list[str]:
    """Options of a documented section, its capitals filled in."""
    text = (config.CONFIGS / "beam" / f"{name}.yaml").read_text()
    given = yaml.safe_load(text)["beam"]["args"]
    for capitals, value in values.items():
        assert any(capitals in option for option in given)
        given = [option.replace(capitals, value) for option in given]
    return given


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    spec = datasets.resolve("scenes", Source(size=24))
    return spec, prepare(spec, tmp_path_factory.mktemp("tfds"))


def ingest(pipeline: beam.Pipeline, scenes, uri: str) -> None:
    spec, ready = scenes
    executor.build(pipeline, spec, make_plan(ready.info, SPLITS, None, 2), uri)


def steps(proto: beam_runner_api_pb2.Pipeline) -> set[str]:
    return {t.unique_name.partition("/")[0] for t in proto.components.transforms.values()}


def check(pipeline: beam.Pipeline, scenes, uri: str) -> None:
    examples = standard_artifacts.Examples()
    examples.uri, examples.split_names = f"{uri}/examples", '["train"]'
    measure.build(pipeline, scenes[0], examples, f"{uri}/checked", f"{uri}/report")


@pytest.mark.parametrize(
    ("build", "expected"),
    [(ingest, {"WriteShard", "Write[shards.json]"}), (check, {"Check", "Sum"})],
)
def test_dataflow_would_take_ingestion_and_check(build, expected, scenes, tmp_path):
    given = args(
        "dataflow", PROJECT="project", REGION="europe-west4", BUCKET="bucket", IMAGE="r/i:1"
    )
    options = PipelineOptions([*given, "--job_name=test", "--dry_run=True", "--no_auth"])
    pipeline = beam.Pipeline(options=options)
    build(pipeline, scenes, str(tmp_path))
    job = pipeline.run().job
    assert expected <= steps(job.proto_pipeline)
    environments = job.proto_pipeline.components.environments.values()
    images = {
        beam_runner_api_pb2.DockerPayload.FromString(e.payload).container_image
        for e in environments
        if e.urn == "beam:env:docker:v1"
    }
    assert images == {"r/i:1"}
    cloud = job.options.view_as(GoogleCloudOptions)
    assert (cloud.project, cloud.region) == ("project", "europe-west4")
    assert cloud.temp_location.startswith("gs://bucket/beam/temp")  # some versions add the job
    assert job.options.view_as(WorkerOptions).max_num_workers == 8


def test_a_portable_job_service_runs_it_in_a_worker_of_ours(scenes, tmp_path):
    """Spark's job server speaks the same API; its worker pool stands beside the executors."""
    pool, workers = worker_pool_main.BeamFnExternalWorkerPoolServicer.start()
    service = local_job_service.LocalJobServicer(str(tmp_path / "staging"))
    port = service.start_grpc_server(0)
    given = args("spark", **{"JOB_SERVER:8099": f"localhost:{port}", "localhost:50000": pool})
    # This stand-in has its artifacts behind the same port.
    given = [option for option in given if not option.startswith("--artifact_endpoint")]
    found = {}
    try:
        for name, options in (
            ("here", ["--runner=FnApiRunner", "--sdk_container_image=none"]),
            ("there", given),
        ):
            examples = standard_artifacts.Examples()
            examples.uri = str(tmp_path / name)
            executor.Executor(executor.Executor.Context(beam_pipeline_args=options)).Do(
                {},
                {"examples": [examples]},
                {
                    "dataset": "scenes",
                    "source": json.dumps({"size": 24}),
                    "splits": json.dumps(SPLITS),
                    "data_dir": str(Path(scenes[1].data_path).parents[2]),
                    "num_shards": 2,
                },
            )
            files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
            found[name] = {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in files}
    finally:
        service.stop()
        workers.stop(0)
    assert len(found["here"]) == 5
    assert found["here"] == found["there"]


class _Flink(BaseHTTPRequestHandler):
    """What Beam asks of a Flink cluster's REST API; remembers the jar and how it was run."""

    def do_GET(self):
        done = {"status": {"id": "COMPLETED"}, "state": "FINISHED", "all-exceptions": []}
        self._answer({"flink-version": "1.19.1", **done})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/jars/upload"):
            self.server.jar = body[body.index(b"PK") :]
            self._answer({"filename": "/x/jar-1"})
        else:
            self.server.asked = self.path, json.loads(body)
            self._answer({"jobid": "job-1"})

    def do_DELETE(self):
        self._answer({})

    def _answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_flink_gets_the_ingestion_as_a_jar(scenes, tmp_path):
    with zipfile.ZipFile(tmp_path / "runner.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "")
    server = ThreadingHTTPServer(("localhost", 0), _Flink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    master = f"localhost:{server.server_port}"
    given = args("flink", **{"FLINK_HOST:8081": master})
    runner = f"--flink_job_server_jar={tmp_path / 'runner.jar'}"
    try:
        pipeline = beam.Pipeline(options=PipelineOptions([*given, runner, "--job_name=ingest"]))
        ingest(pipeline, scenes, str(tmp_path))
        pipeline.run().wait_until_finish()
    finally:
        server.shutdown()
        server.server_close()
    path, asked = server.asked
    assert path == "/v1/jars/jar-1/run"
    assert asked["entryClass"] == "org.apache.beam.runners.flink.FlinkPipelineRunner"
    with zipfile.ZipFile(io.BytesIO(server.jar)) as jar:
        (proto,) = [name for name in jar.namelist() if name.endswith("pipeline.json")]
        (options,) = [name for name in jar.namelist() if name.endswith("pipeline-options.json")]
        sent, chosen = json.loads(jar.read(proto)), json.loads(jar.read(options))
    names = {t["uniqueName"].partition("/")[0] for t in sent["components"]["transforms"].values()}
    assert {"WriteShard", "Write[shards.json]"} <= names
    assert {e["urn"] for e in sent["components"]["environments"].values()} == {
        "beam:env:external:v1"
    }
    assert chosen["beam:option:parallelism:v1"] in (4, "4")
