"""A KFP 2 API on loopback: real HTTP, strict, and able to fail, be slow or ask for a token."""

from __future__ import annotations

import email
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Request(NamedTuple):
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any


class Failure(NamedTuple):
    """An answer that is given instead of the right one."""

    method: str
    pattern: str
    status: int
    message: str = "by order of the test"


class KfpServer:
    """The server with its store; `url` is its endpoint.

    `failures` are answered where method and path fit; `delay_s` holds every answer back; with a
    `token` or a `cookie` only who has it is answered; `script` are the states that a run takes, one
    at each look at it; `page` is a web page that is answered instead of everything.
    """

    def __init__(self, store: Any, refusal: type[Exception]) -> None:
        self.store, self.refusal = store, refusal
        self.requests: list[Request] = []
        self.failures: list[Failure] = []
        self.script: list[str] = []
        self.delay_s, self.token, self.cookie, self.page = 0.0, "", "", ""
        handler = type("Handler", (_Handler,), {"kfp": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def table(self, name: str) -> list[dict[str, Any]]:
        """Rows of one table of the store, in the order they were made."""
        return list(self.store.tables[name].values())

    def answer(self, request: Request) -> Any:
        """Find what the API answers."""
        for failure in self.failures:
            if request.method == failure.method and re.search(failure.pattern, request.path):
                raise self.refusal(failure.status, failure.message)
        for method, pattern, function in _ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                return function(self, request, *match.groups())
        raise self.refusal(404, f"Not Found: {request.method} {request.path}")

    def look(self, run_id: str) -> dict[str, Any]:
        """Return a run, one step further in the script."""
        run = self.store.get("runs", run_id)
        if self.script and run["state"] not in ("SUCCEEDED", "FAILED", "CANCELED"):
            run["state"] = self.script.pop(0)
            if run["state"] in ("SUCCEEDED", "FAILED"):
                run["finished_at"] = "2026-11-02T03:07:30Z"
            run["run_details"] = {"task_details": self.store.details(run)}
        return run


def _delete(server: KfpServer, request: Request, table: str, identity: str) -> dict[str, Any]:
    if table == "pipelines":
        server.store.delete_pipeline(identity, request.query.get("cascade") == "true")
        return {}
    table = {"recurringruns": "recurring_runs"}.get(table, table)
    server.store.get(table, identity)
    del server.store.tables[table][identity]
    return {}


def _delete_version(server: KfpServer, request: Request, pipeline: str, version: str) -> dict:
    row = server.store.get("pipeline_versions", version)
    if row["pipeline_id"] != pipeline:
        raise server.refusal(404, "that pipeline has no such version")
    del server.store.tables["pipeline_versions"][version]
    return {}


def _list(server: KfpServer, request: Request, table: str) -> dict[str, Any]:
    table = {"recurringruns": "recurring_runs"}.get(table, table)
    wanted = request.query.get("experiment_id") if table != "experiments" else None
    return server.store.page(table, request.query, experiment_id=wanted or "")


def _set_mode(server: KfpServer, request: Request, identity: str, verb: str) -> dict[str, Any]:
    row = server.store.get("recurring_runs", identity)
    row["mode"], row["status"] = verb.upper(), f"{verb.upper()}D"
    return {}


_API = "/apis/v2beta1"
_ID = "([0-9a-f-]{36})"
_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", f"{_API}/healthz", lambda s, r: {"multi_user": False, "tag_name": "2.17.0"}),
    ("POST", f"{_API}/pipelines/upload",
     lambda s, r: s.store.upload(r.query["name"], r.body)),
    ("POST", f"{_API}/pipelines/upload_version",
     lambda s, r: s.store.upload_version(r.query["pipelineid"], r.query["name"], r.body)),
    ("POST", f"{_API}/experiments", lambda s, r: s.store.create_experiment(r.body)),
    ("POST", f"{_API}/runs", lambda s, r: s.store.create_run(r.body)),
    ("POST", f"{_API}/recurringruns", lambda s, r: s.store.create_recurring(r.body)),
    ("GET", f"{_API}/(experiments|pipelines|runs|recurringruns)", _list),
    ("GET", f"{_API}/pipelines/{_ID}/versions",
     lambda s, r, i: s.store.page("pipeline_versions", r.query, pipeline_id=i)),
    ("GET", f"{_API}/pipelines/{_ID}/versions/{_ID}",
     lambda s, r, i, v: s.store.get("pipeline_versions", v)),
    ("DELETE", f"{_API}/pipelines/{_ID}/versions/{_ID}", _delete_version),
    ("GET", f"{_API}/experiments/{_ID}", lambda s, r, i: s.store.get("experiments", i)),
    ("GET", f"{_API}/pipelines/{_ID}", lambda s, r, i: s.store.get("pipelines", i)),
    ("GET", f"{_API}/runs/([^/:]+)", lambda s, r, i: s.look(i)),
    ("GET", f"{_API}/recurringruns/{_ID}", lambda s, r, i: s.store.get("recurring_runs", i)),
    ("DELETE", f"{_API}/(experiments|pipelines|runs|recurringruns)/([^/:]+)", _delete),
    ("POST", f"{_API}/runs/([^/:]+):terminate", lambda s, r, i: s.store.terminate(i) or {}),
    ("POST", f"{_API}/recurringruns/{_ID}:(enable|disable)", _set_mode),
]  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    kfp: KfpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Any:
        if name in ("do_GET", "do_POST", "do_DELETE"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.kfp.delay_s)
        if self.kfp.page:
            self._send(200, self.kfp.page.encode(), "text/html")
            return
        upload = "/upload" in parts.path
        try:
            self._check_sign_in()
            body = self._file(text) if upload else json.loads(text or "null")
            request = Request(self.command, parts.path, dict(parse_qsl(parts.query)), body)
            self.kfp.requests.append(request)
            answer = self.kfp.answer(request)
        except self.kfp.refusal as refusal:
            said = str(refusal)
            error: dict[str, Any] = {"code": 3, "message": said, "details": []}
            if upload:
                error = {"error_message": said, "error_details": said}
            self._send(refusal.status, json.dumps(error).encode())
        else:
            self._send(200, json.dumps(answer).encode())

    def _check_sign_in(self) -> None:
        if self.kfp.token and self.headers.get("authorization") != f"Bearer {self.kfp.token}":
            raise self.kfp.refusal(401, "Unauthenticated")
        if self.kfp.cookie and self.headers.get("Cookie") != self.kfp.cookie:
            raise self.kfp.refusal(403, "no cookie")

    def _file(self, text: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        (part,) = email.message_from_bytes(head + text).get_payload()
        if part.get_param("name", header="content-disposition") != "uploadfile":
            raise self.kfp.refusal(400, "the file's field is uploadfile")
        return part.get_payload(decode=True)

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # the client gave up waiting

    def log_message(self, *args: Any) -> None:
        pass
