"""`genvision logs`: the real kubernetes client and kubeconfig against a stand-in for a cluster."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cluster import watch
from pipeline.cluster.client import Access
from pipeline.cluster.cluster import Cluster
from pipeline.cluster.errors import ClusterError
from pipeline.cluster.pods import Pod, Pods
from trainer.errors import UserError

Run = Callable[..., str]
RETRIED = "exit-handler-1.hello.executor"


@pytest.fixture
def running(kfp: Any, genvision: Run, started: str) -> str:
    """Bring the run so far that its node runs; returns its id."""
    kfp.script = ["RUNNING"]
    genvision("status", started)
    return started


def test_logs_of_every_node(kube: Any, genvision: Run, running: str) -> None:
    kube.add(running, "hello-driver", b"driver's words\n")
    kube.add(running, "", b"a helper's words\n")
    name = kube.add(running, "hello.executor", b"first line\nsec", b"ond \xe2\x82", b"\xac\n")
    kube.add("another", "hello.executor", b"another run's words\n")
    said = f"== hello, pod {name}\nfirst line\nsecond \N{EURO SIGN}\n"
    assert genvision("logs", running) == said
    assert genvision("logs", "small", "--node", "hello") == said
    assert "unknown node 'helo'" in genvision("logs", "small", "--node=helo", fails=UserError)


def test_attempts_come_in_order_with_their_numbers(kube: Any, genvision: Run, running: str) -> None:
    second = kube.add(running, f"{RETRIED}(1)", b"it goes on\n", second=40)
    first = kube.add(running, f"{RETRIED}(0)", b"taken aw", second=20)
    assert genvision("logs", running, "--node", "hello") == (
        f"== hello, attempt 1, pod {first}\ntaken aw\n"
        f"== hello, attempt 2, pod {second}\nit goes on\n"
    )
    newest = f"== hello, attempt 2, pod {second}\nit goes on\n"
    assert genvision("logs", running, "--node", "hello", "--follow") == newest
    assert kube.asked[-1]["follow"] == "True"
    kube.logs[first] = (500, "the machine is gone")
    said = genvision("logs", running, "--node", "hello")
    assert "[no log: the Kubernetes API at" in said and "HTTP 500: the machine is gone]" in said
    assert said.endswith(newest)
    kube.pods.pop()  # with its machine; what is left keeps its number
    assert genvision("logs", running) == newest


def test_following_brings_pieces_as_they_are_written(kfp: Any, kube: Any, running: str) -> None:
    go_on = threading.Event()
    name = kube.add(running, f"{RETRIED}(0)", b"step 1\n", go_on, b"step 2\n")
    cluster = Cluster(Access(kfp.url))
    pieces = watch.logs(cluster, cluster.client.get_run(running), "hello", True, "kubeflow")
    title = f"hello, pod {name}"
    assert [next(pieces), next(pieces)] == [(title, ""), (title, "step 1\n")]
    assert not go_on.is_set(), "the first piece is here before the second is written"
    go_on.set()
    assert "".join(text for _, text in pieces) == "step 2\n"


@pytest.mark.parametrize(
    ("node", "pod"),
    [
        ("digits-cgan-x1.root.exit-handler-1.trainer.executor(2)", ("trainer", 3)),
        ("digits-cgan-x1.root.trainer.executor", ("trainer", 1)),
        ("digits-cgan-x1.root.exit-handler-1.onExit.notify.executor", ("notify", 1)),
        ("digits-cgan-x1.root.trainer(1)", ("trainer", 2)),
        ("digits-cgan-x1.root.trainer-driver", ("trainer-driver", 1)),
        ("", ("", 1)),
    ],
)
def test_the_task_of_a_pod(kube: Any, node: str, pod: tuple[str, int]) -> None:
    name = kube.add("r", "x")
    kube.pods[0]["metadata"]["annotations"] = {"workflows.argoproj.io/node-name": node}
    assert Pods("kubeflow", 5).of_run("r") == [Pod(name, *pod)]


def test_nothing_to_read(kfp: Any, kube: Any, genvision: Run, started: str) -> None:
    said = genvision("logs", started, fails=UserError)
    assert said.startswith(f"run {started} has no pod yet in namespace 'kubeflow'")
    kfp.script = ["RUNNING", "SUCCEEDED", "SUCCEEDED"]
    genvision("status", started)
    said = genvision("logs", started, "--node", "hello", fails=UserError)
    assert said.startswith(
        f"node 'hello' of run {started} has no pods left in namespace 'kubeflow'"
    )
    assert said.endswith(f"executor-logs of each node: {kfp.url}/#/runs/details/{started}")
    kube.add(started, "hello.executor", b"words\n")
    said = genvision("logs", started, "-n", "mine", fails=UserError)
    assert "no pods left in namespace 'mine'" in said


def test_a_node_that_never_began(kfp: Any, kube: Any, genvision: Run, started: str) -> None:
    row = kfp.store.get("runs", started)
    row["state"] = "FAILED"
    said = genvision("logs", started, "--node", "hello", fails=UserError)
    assert said == f"node 'hello' of run {started} never began: the run is failed"
    row["run_details"] = {"task_details": [{"display_name": "hello", "state": "SKIPPED"}]}
    said = genvision("logs", started, "--node", "hello", fails=UserError)
    assert said.endswith("never began: it was skipped")


def test_a_container_that_waits(kube: Any, genvision: Run, running: str) -> None:
    name = kube.add(running, "hello.executor")
    waits = 'container "main" in pod "x" is waiting to start: ImagePullBackOff'
    kube.logs[name] = (400, waits)
    said = genvision("logs", running, "--node", "hello", fails=ClusterError)
    assert said.endswith(f"answered HTTP 400: {waits}")
    assert genvision("logs", running).endswith(f"HTTP 400: {waits}]\n")


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "it does not know you; sign in to the cluster anew"),
        (403, "ask for the rights get and list on pods and get on pods/log there"),
        (500, "HTTP 500: etcd is full"),
    ],
)
def test_refusals(kube: Any, genvision: Run, running: str, status: int, advice: str) -> None:
    kube.refusal = (status, "etcd is full")
    said = genvision("logs", running, fails=ClusterError)
    assert said.startswith(f"the Kubernetes API at {kube.url} answered HTTP {status}: ")
    assert advice in said and "\n" not in said


def test_an_answer_of_something_else(kube: Any, genvision: Run, running: str) -> None:
    kube.refusal = (200, "welcome")
    said = genvision("logs", running, fails=ClusterError)
    assert said.startswith(f"{kube.url} answers, but not as the Kubernetes API")


def test_a_log_that_breaks_off(kube: Any, genvision: Run, running: str) -> None:
    name = kube.add(running, "hello.executor", b"step 1\n", None)
    said = genvision("logs", running, "--node", "hello", "--follow", fails=ClusterError)
    assert said.startswith(f"the log of pod {name} broke off (")


def test_a_right_to_list_alone(kube: Any, genvision: Run, running: str) -> None:
    kube.logs[kube.add(running, "hello.executor")] = (403, 'cannot get "pods/log"')
    said = genvision("logs", running, fails=ClusterError)
    assert "you may not read the logs of namespace 'kubeflow'" in said


def test_no_way_to_the_cluster(
    kube: Any, genvision: Run, running: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kubeconfig"
    with socket.socket() as taken:  # bound and not listening: refuses
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        file.write_text(file.read_text().replace(kube.url, url))
        said = genvision("logs", running, fails=ClusterError)
    assert said.startswith(f"cannot reach the Kubernetes API at {url} (")
    assert "Connection refused" in said
    tree = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**tree, "current-context": "other"}))
    said = genvision("logs", running, fails=UserError)
    assert said.startswith(f"kubeconfig '{file}' cannot be used: ") and "other" in said
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    said = genvision("logs", running, fails=UserError)
    assert said.startswith(f"no kubeconfig at '{tmp_path / 'none'}': ")
