"""Beam on a cluster: option files and manifests name the same things; the worker pool works."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import apache_beam
import pytest
import yaml
from apache_beam.options.pipeline_options import FlinkRunnerOptions, PipelineOptions

ROOT = Path(__file__).parents[2]
BEAM = ROOT / "kubeflow" / "k8s" / "beam"


def options(name: str) -> dict[str, str]:
    """The arguments of a beam section as name -> value."""
    text = (ROOT / "pipeline" / "configs" / "beam" / f"{name}.yaml").read_text()
    words = yaml.safe_load(text)["beam"]["args"]
    return dict((f"{word.removeprefix('--')}=".split("=")[:2]) for word in words)


def documents(path: str) -> list[dict]:
    return list(yaml.safe_load_all((BEAM / path).read_text()))


def worker(spec: dict) -> dict:
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    (found,) = (c for c in containers if c["name"] == "beam-worker")
    return found


@pytest.fixture(scope="module")
def flink() -> dict:
    (document,) = documents("flink/flink.yaml")
    return document


@pytest.fixture(scope="module")
def spark_worker() -> dict:
    (document,) = documents("spark/worker.yaml")
    return document["spec"]["template"]["spec"]


def test_flink_is_the_version_that_recipes_ask_for_and_beam_publishes(flink) -> None:
    version = options("flink")["flink_version"]
    assert version in FlinkRunnerOptions.PUBLISHED_FLINK_VERSIONS
    assert flink["spec"]["flinkVersion"] == f"v{version.replace('.', '_')}"
    assert flink["spec"]["image"].startswith(f"flink:{version}.")
    readme = (BEAM / "flink" / "kustomization.yaml").read_text()
    assert (
        f"FLINK_HOST = {flink['metadata']['name']}-rest" in readme
    )  # Flink's name for the service
    (policy,) = documents("flink/networkpolicy.yaml")
    (jobs,) = policy["spec"]["ingress"][1]["ports"]
    assert options("flink")["flink_master"] == f"FLINK_HOST:{jobs['port']}"


def test_the_job_server_is_beams_version_and_spark_is_the_job_servers() -> None:
    (deployment, service) = documents("spark/jobs.yaml")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"apache/beam_spark3_job_server:{apache_beam.__version__}"
    name = service["metadata"]["name"]
    assert f"JOB_SERVER = {name}" in (BEAM / "spark" / "kustomization.yaml").read_text()
    ports = {f"JOB_SERVER:{port['port']}" for port in service["spec"]["ports"]}
    given = options("spark")
    assert {given["job_endpoint"], given["artifact_endpoint"]} == ports
    master, _ = documents("spark/master.yaml")
    images = {c["image"] for c in master["spec"]["template"]["spec"]["containers"]}
    (work,) = documents("spark/worker.yaml")
    assert images == {work["spec"]["template"]["spec"]["containers"][0]["image"]}
    # Spark 3.5.0 and Java 11 are inside apache/beam_spark3_job_server:2.77.0.
    assert re.match(r"apache/spark:3\.5\.0-.*java11", images.pop())
    address = next(a for a in container["args"] if "spark-master-url" in a).split("=")[1]
    assert address == work["spec"]["template"]["spec"]["containers"][0]["args"][-1]
    assert address.startswith(f"spark://{master['metadata']['name']}:")


def test_workers_listen_where_the_options_say(flink, spark_worker) -> None:
    pods = {"flink": flink["spec"]["taskManager"]["podTemplate"]["spec"], "spark": spark_worker}
    for name, spec in pods.items():
        container = worker(spec)
        given = options(name)
        (port,) = container["ports"]
        assert given["environment_type"] == "EXTERNAL"
        assert given["environment_config"] == f"localhost:{port['containerPort']}"
        assert container["args"] == [f"--service_port={port['containerPort']}"]
        assert container["command"] == worker(spark_worker)["command"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def pool(flink):
    """The container's command, with this Python, on a free port."""
    container = worker(flink["spec"]["taskManager"]["podTemplate"]["spec"])
    python, *rest = container["command"]
    assert python == "python"
    port = free_port()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, *rest, f"--service_port={port}"],
        env=environment, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_a_pipeline_runs_in_the_worker_pool_of_the_manifest(pool, tmp_path) -> None:
    out = tmp_path / "ids"
    given = ["--runner=PortableRunner", "--job_endpoint=embed", "--environment_type=EXTERNAL"]
    # The import is inside the function: workers know nothing of this module.
    with apache_beam.Pipeline(
        options=PipelineOptions([*given, f"--environment_config=localhost:{pool}"])
    ) as pipeline:
        _ = (
            pipeline
            | apache_beam.Create([1, 2, 3])
            | apache_beam.Map(lambda _: __import__("os").getpid())
            | apache_beam.io.WriteToText(str(out), shard_name_template="")
        )
    ids = {int(line) for line in out.read_text().split()}
    assert len(out.read_text().split()) == 3
    assert ids and os.getpid() not in ids
