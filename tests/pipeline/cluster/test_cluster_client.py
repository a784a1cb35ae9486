"""Connecting: every way it can go wrong is one line with what to do."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster.client import Access, connect
from pipeline.cluster.errors import ClusterError
from trainer.errors import UserError


def _refused(access: Access, status: int = 0) -> str:
    with pytest.raises(ClusterError) as caught:
        connect(access)
    assert caught.value.status == status
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_no_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kfp: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UserError, match="no endpoint: give --endpoint URL, or set KF_PIPELINES"):
        connect(Access())
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp.url)
    assert connect(Access()).host == kfp.url


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert "connection refused; is the port-forward" in _refused(Access(url))


def test_unknown_host() -> None:
    assert "no such host; check the spelling" in _refused(Access("http://kfp.invalid"))


def test_tls_where_there_is_none(kfp: Any) -> None:
    text = _refused(Access(kfp.url.removeprefix("http://")))
    assert "https://127.0.0.1" in text and "for plain HTTP write http://" in text


def test_slow_answer(kfp: Any) -> None:
    kfp.delay_s = 1.0
    assert "no answer within 0.2 s" in _refused(Access(kfp.url, timeout_s=0.2))
    assert connect(Access(kfp.url, timeout_s=5)).host == kfp.url


def test_some_other_web_site(kfp: Any) -> None:
    kfp.page = "<html><body>Sign in</body></html>"
    assert "not as the API of Kubeflow Pipelines 2" in _refused(Access(kfp.url))


def test_token_and_cookie_are_sent(kfp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kfp.token = "secret"
    assert "set KFP_TOKEN" in _refused(Access(kfp.url), 401)
    monkeypatch.setenv("KFP_TOKEN", "secret")
    connect(Access.of_environment(endpoint=kfp.url))
    kfp.cookie = "session=1"
    _refused(Access.of_environment(endpoint=kfp.url), 403)
    monkeypatch.setenv("KFP_COOKIES", "session=1")
    connect(Access.of_environment(endpoint=kfp.url))


@pytest.mark.parametrize("namespace", ["kubeflow", "team-a"])
@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_server_says_no(kfp: Any, failure: Any, namespace: str, status: int) -> None:
    kfp.failures.append(failure("GET", "healthz", status))
    text = _refused(Access(kfp.url, namespace), status)
    assert f"answered HTTP {status}" in text and "by order of the test" in text
    assert not kfp.requests[1:]  # asked once: no retries of what will not change
