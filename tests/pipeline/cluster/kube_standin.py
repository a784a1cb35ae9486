"""Stand-in for a cluster: pod lists and logs of the Kubernetes API over real HTTP on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pipeline.cluster.pods import CONTAINER, NODE_NAME, RUN

Piece = bytes | threading.Event | None
PODS = "/api/v1/namespaces/([^/]+)/pods(?:/([^/]+)/log)?"


class Kube:
    """Pods with their logs.

    A log is the pieces in which it is sent, or the (status, message) of its refusal; an event among
    the pieces is waited for, None cuts the log off. `refusal` is the answer to everything, `asked`
    are the queries that arrived.
    """

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.logs: dict[str, list[Piece] | tuple[int, str]] = {}
        self.refusal: tuple[int, str] | None = None
        self.asked: list[dict[str, str]] = []
        handler = type("Handler", (_Handler,), {"kube": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add(self, run_id: str, node: str, *log: Piece, second: int = 0) -> str:
        """Make a pod as Argo does; returns its name, which does not tell the node."""
        name = f"small-x1-system-container-impl-{len(self.pods)}"
        self.pods.append(
            {
                "metadata": {
                    "name": name,
                    "namespace": "kubeflow",
                    "labels": {RUN: run_id},
                    "annotations": {NODE_NAME: f"small-x1.root.{node}"} if node else {},
                    "creationTimestamp": f"2026-11-02T03:00:{second:02}Z",
                }
            }
        )
        self.logs[name] = list(log)
        return name

    def answer(self, path: str, query: dict[str, str]) -> Any:
        """Find the answer: JSON, a log, or (status, message)."""
        self.asked.append(query)
        if self.refusal:
            return self.refusal
        namespace, pod = re.fullmatch(PODS, path).groups()  # type: ignore[union-attr]
        if pod:
            assert query["container"] == CONTAINER
            return self.logs.get(pod, (404, f'pods "{pod}" not found'))
        mine = [
            item
            for item in self.pods
            if item["metadata"]["namespace"] == namespace
            and query["labelSelector"] == f"{RUN}={item['metadata']['labels'][RUN]}"
        ]
        return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": mine}


class _Handler(BaseHTTPRequestHandler):
    kube: Kube
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        answer = self.kube.answer(parts.path, query)
        if isinstance(answer, list):
            self._chunks(iter(answer))
            return
        status = 200
        if isinstance(answer, tuple):
            status, message = answer  # of status 200: a page that is no list
            answer = {"kind": "Status", "code": status, "message": message}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _chunks(self, pieces: Iterator[Piece]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece is None:
                self.close_connection = True
                return
            if isinstance(piece, threading.Event):
                assert piece.wait(10)
            else:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: Any) -> None:
        pass
