"""ML Metadata's addresses, and a run against its gRPC service."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.runners.kubeflow.connection import PASSWORD, connect, open_store
from pipeline.runners.kubeflow.execute import SUCCEEDED
from trainer.errors import UserError

SERVER = Path(__file__).parent / "sample" / "metadata_server.py"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of a gRPC service on loopback, in a process of its own."""
    command = [sys.executable, str(SERVER), str(tmp_path / "served.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"grpc://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()


def test_a_package_runs_against_the_grpc_service(sample_in, service: str) -> None:
    sample = sample_in()
    execution = sample.execute(metadata=service)
    assert execution.state == SUCCEEDED
    sample.address = service
    run = sample.run(execution)
    assert run.state("Give") == run.state("Count") == "done"
    assert not (sample.folder / "out" / "metadata.sqlite").exists()


def test_addresses_become_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "from a secret")
    grpc = connect("grpc://metadata-grpc-service.kubeflow:8080")
    assert (grpc.host, grpc.port) == ("metadata-grpc-service.kubeflow", 8080)
    mysql = connect("mysql://root@db:3307/metadb").mysql
    assert (mysql.host, mysql.port, mysql.database, mysql.user) == ("db", 3307, "metadb", "root")
    assert mysql.password == "from a secret"
    assert connect("sqlite:///mnt/m.sqlite").sqlite.filename_uri == "/mnt/m.sqlite"


@pytest.mark.parametrize(
    "address", ["", "grpc://host", "grpc://host:x", "mysql://db:1/x", "sqlite://a/b", "http://a:1"]
)
def test_an_address_that_cannot_be_read_is_one_line(address: str) -> None:
    with pytest.raises(UserError, match=r"write grpc://host:port, mysql://"):
        connect(address)


def test_nobody_at_the_address_is_one_line() -> None:
    with pytest.raises(UserError, match=r"no ML Metadata at 'grpc://127.0.0.1:1'"):
        open_store("grpc://127.0.0.1:1")
