"""The pods of a run and what their containers wrote, from the Kubernetes API itself.

Kubeflow Pipelines has no call for logs behind its usual address: svc/ml-pipeline-ui hands on
/apis/v1beta1 and /apis/v2beta1 alone (frontend/server/app.ts), and the pod names in a run's task
details are ids of Argo's nodes (backend/src/apiserver/server/api_converter.go). Where the names
below are from:

- label `pipeline/runid`, on every pod of a run: LabelKeyWorkflowRunId in
  backend/src/common/util/consts.go of kubeflow/pipelines, also on pods of scheduled runs
  (backend/src/crd/controller/scheduledworkflow/util/scheduled_workflow.go)
- annotation `workflows.argoproj.io/node-name`, container `main`: AnnotationKeyNodeName and
  MainContainerName in workflow/common/common.go of argoproj/argo-workflows
- `TASK.executor`: a container task is a graph with the one task `executor`
  (backend/src/v2/compiler/argocompiler/container.go of kubeflow/pipelines); with retries Argo adds
  the attempt's number from 0, `executor(0)` (workflow/controller/operator.go)
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import urllib3

from pipeline.cluster.errors import ClusterError
from trainer.errors import UserError

RUN = "pipeline/runid"
NODE_NAME = "workflows.argoproj.io/node-name"
CONTAINER = "main"
NODE = re.compile(r"(?P<path>.+?)(?:\.executor)?(?:\((?P<retry>\d+)\))?")
"""For example `digits-cgan-abc12.root.exit-handler-1.trainer.executor(0)`."""
RETRIES = urllib3.Retry(connect=0, read=0, other=0, redirect=3)


class Pod(NamedTuple):
    """One attempt at one task of a run."""

    name: str
    task: str
    """Task of the compiled pipeline; of a driver with `-driver` at its end"""
    attempt: int
    """From 1"""


class Pods:
    """The pods of one namespace, by the current context of kubeconfig or the cluster's own account.

    Methods raise `ClusterError` when the API server refuses or does not answer.
    """

    def __init__(self, namespace: str, timeout_s: float) -> None:
        self.namespace, self.timeout_s = namespace, timeout_s
        self._core = _connect()
        self._host = self._core.api_client.configuration.host

    def of_run(self, run_id: str) -> list[Pod]:
        """List the pods of a run in the order of their creation."""
        try:
            with self._guard():
                items = self._core.list_namespaced_pod(
                    self.namespace,
                    label_selector=f"{RUN}={run_id}",
                    _request_timeout=(self.timeout_s, self.timeout_s),
                ).items
        except ValueError:  # no list of pods: a sign-in page, another service
            raise ClusterError(
                f"{self._host} answers, but not as the Kubernetes API: is kubeconfig's current "
                "context the right one?"
            ) from None
        made = [(item.metadata.creation_timestamp, _pod(item.metadata)) for item in items]
        return [pod for _, pod in sorted(made, key=lambda pair: (pair[0], pair[1].attempt))]

    def log(self, pod: Pod, follow: bool) -> Iterator[str]:
        """Yield a pod's log piece by piece; with `follow` until its container ends."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a piece may end inside a sign
        with self._guard():
            answer = self._core.read_namespaced_pod_log(
                pod.name,
                self.namespace,
                container=CONTAINER,
                follow=follow,
                _preload_content=False,
                _request_timeout=(self.timeout_s, None if follow else self.timeout_s),
            )
            try:
                for piece in answer.stream(2**14):
                    yield decoder.decode(piece)
            except urllib3.exceptions.HTTPError as error:
                raise ClusterError(
                    f"the log of pod {pod.name} broke off ({error}): give the command again"
                ) from None
            finally:
                answer.close()  # a follower that stops early leaves no open stream
        yield decoder.decode(b"", final=True)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        from kubernetes.client import ApiException  # type: ignore[import-untyped]

        try:
            yield
        except ApiException as error:
            if not error.status:  # no answer: TLS
                raise self._unreachable(error.reason) from None
            raise self._refused(error) from None
        except urllib3.exceptions.HTTPError as error:
            raise self._unreachable(getattr(error, "reason", None) or error) from None

    def _refused(self, error: Any) -> ClusterError:
        mine = self.namespace
        advice = {
            401: "it does not know you; sign in to the cluster anew, until "
            f"`kubectl get pods -n {mine}` works",
            403: f"you may not read the logs of namespace '{mine}': ask for the rights get and "
            "list on pods and get on pods/log there, or name yours with --namespace",
        }.get(error.status, "")
        said = ": ".join(filter(None, [advice, _said(error)]))
        return ClusterError(
            f"the Kubernetes API at {self._host} answered HTTP {error.status}: {said}", error.status
        )

    def _unreachable(self, reason: Any) -> ClusterError:
        text = re.sub(r"^\w+\(host=.*?\): ", "", " ".join(str(reason).split()))
        why = text or type(reason).__name__
        return ClusterError(
            f"cannot reach the Kubernetes API at {self._host} ({why}): is the cluster up and "
            f"kubeconfig's current context the right one? `kubectl get pods -n {self.namespace}` "
            "should work"
        )


def _pod(metadata: Any) -> Pod:
    found = NODE.fullmatch((metadata.annotations or {}).get(NODE_NAME, ""))
    if not found:  # some helper, such as the pod of Argo's plugins
        return Pod(metadata.name, "", 1)
    return Pod(metadata.name, found["path"].rpartition(".")[2], int(found["retry"] or 0) + 1)


def _connect() -> Any:
    """Take kubeconfig where there is one, as kubectl does, else the account of the pod we are in.

    Raises:
      UserError: There is neither, or kubeconfig cannot be used.
    """
    from kubernetes import client, config  # type: ignore[import-untyped]

    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    settings, source = client.Configuration(), f"kubeconfig '{files}'"
    try:
        if any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file):
            config.load_kube_config(files, client_configuration=settings)
        elif os.environ.get("KUBERNETES_SERVICE_HOST"):
            source = "the account of this pod"
            config.load_incluster_config(client_configuration=settings)
        else:
            raise UserError(
                f"no kubeconfig at '{files}': logs are read from the Kubernetes API; fetch it "
                "(gcloud container clusters get-credentials, aws eks update-kubeconfig, kind "
                "export kubeconfig) or set KUBECONFIG"
            )
    except UserError:
        raise
    except Exception as error:  # whatever YAML, certificates and sign-in plugins raise
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"{source} cannot be used: {said}") from None
    settings.retries = RETRIES
    return client.CoreV1Api(client.ApiClient(settings))


def _said(error: Any) -> str:
    try:
        return " ".join(str(json.loads(error.body)["message"]).split())
    except (KeyError, TypeError, ValueError):
        return str(error.reason or "")
