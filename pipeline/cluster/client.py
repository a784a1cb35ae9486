"""Connect to a KFP 2 API: kfp's own client, with time limits and errors a person can read."""

from __future__ import annotations

import contextlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api  # type: ignore[import-untyped]
import urllib3

from pipeline.cluster.errors import SIGN_IN, ClusterError, refused, unreachable
from trainer.errors import UserError

ENDPOINT = "KF_PIPELINES_ENDPOINT"
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Access:
    """Where the API is and who asks."""

    endpoint: str = ""
    """URL; empty: kfp's own search (KF_PIPELINES_ENDPOINT, in the cluster, kubeconfig)"""
    namespace: str = "kubeflow"
    iap_client_id: str = ""
    token: str = ""
    cookies: str = ""
    ca_cert: str = ""
    timeout_s: float = TIMEOUT_S

    @classmethod
    def of_environment(cls, **given: Any) -> Access:
        """Take token and cookies from KFP_TOKEN and KFP_COOKIES: never on a command line."""
        secrets = {"token": os.environ.get("KFP_TOKEN"), "cookies": os.environ.get("KFP_COOKIES")}
        return cls(**{key: value for key, value in {**secrets, **given}.items() if value})


class Client(kfp.Client):
    """kfp's client that waits at most so long for an answer and raises `ClusterError`."""

    def __init__(self, access: Access) -> None:
        self.timeout_s, self._checked = access.timeout_s, False
        super().__init__(
            host=access.endpoint or None,
            client_id=access.iap_client_id or None,
            namespace=access.namespace,
            existing_token=access.token or None,
            cookies=access.cookies or None,
            ssl_ca_cert=access.ca_cert or None,
        )
        if not self._checked:
            self.get_kfp_healthz()

    @property
    def host(self) -> str:
        """URL of the API."""
        return str(self._existing_config.host)

    def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Ask once whether this is a KFP API; kfp's own asks five times, five seconds apart.

        Raises:
          ClusterError: No answer, or an answer of something else.
        """
        if not self._checked:
            self._guard(self._healthz_api.api_client.rest_client)
            self._checked = True
        answer = self._healthz_api.healthz_service_get_healthz(_preload_content=False)
        try:
            health = json.loads(answer.data)
            multi_user = bool(health.get("multi_user"))
        except (ValueError, AttributeError):
            raise ClusterError(
                f"{self.host} answers, but not as the API of Kubeflow Pipelines 2: check the "
                f"address; if it is a sign-in page, {SIGN_IN}"
            ) from None
        return kfp_server_api.V2beta1GetHealthzResponse(multi_user=multi_user)

    def _guard(self, rest: Any) -> None:
        """Give every request of this client a time limit and one family of errors."""
        rest.pool_manager.connection_pool_kw["retries"] = urllib3.Retry(
            connect=0, read=0, other=0, redirect=3
        )
        send, limit = rest.request, self.timeout_s

        def request(method: str, url: str, **options: Any) -> Any:
            options["_request_timeout"] = options.get("_request_timeout") or (limit, limit)
            try:
                return send(method, url, **options)
            except kfp_server_api.ApiException as error:
                raise refused(self.host, error.status, error.body or error.reason) from None
            except urllib3.exceptions.HTTPError as error:
                raise unreachable(self.host, error, limit) from None

        rest.request = request


def connect(access: Access) -> Client:
    """Connect and check that a KFP API answers.

    Raises:
      UserError: No endpoint can be found, or the credentials cannot be made.
      ClusterError: Nothing answers there, something else does, or it refuses.
    """
    if not access.endpoint and not _found_by_kfp():
        raise UserError(
            f"no endpoint: give --endpoint URL, or set {ENDPOINT} (kubectl port-forward "
            "svc/ml-pipeline-ui 8080:80 makes it http://localhost:8080)"
        )
    with warnings.catch_warnings(), contextlib.redirect_stdout(None):
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", UserWarning)  # a host without scheme becomes https
        try:
            return Client(access)
        except UserError:
            raise
        except Exception as error:  # kfp's sign-in raises whatever its libraries do
            raise UserError(
                f"cannot set up the connection to '{access.endpoint or 'the cluster'}': "
                f"{type(error).__name__}: {' '.join(str(error).split())}"
            ) from error


def quiet() -> contextlib.AbstractContextManager[Any]:
    """Keep kfp's own link lines from standard output."""
    return contextlib.redirect_stdout(None)


def _found_by_kfp() -> bool:
    """Tell whether kfp's search has anything to find."""
    files = os.environ.get("KUBECONFIG", str(Path.home() / ".kube" / "config")).split(os.pathsep)
    return bool(
        os.environ.get(ENDPOINT)
        or os.environ.get("KUBERNETES_SERVICE_HOST")
        or any(Path(file).is_file() for file in files if file)
    )
