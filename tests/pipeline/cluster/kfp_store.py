"""What a KFP 2 API server keeps and which rules it holds; no HTTP here."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

TYPES = {
    "NUMBER_DOUBLE": (int, float),
    "NUMBER_INTEGER": (int, float),
    "STRING": (str,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}
TASK = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
EPOCH = "1970-01-01T00:00:00Z"


class Refusal(Exception):  # noqa: N818 - an answer rather than a defect
    """An HTTP error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def checked(body: Any, allowed: dict[str, Any], where: str = "body") -> dict[str, Any]:
    """Refuse unknown fields and wrong JSON types, as the gateway's strict protojson does."""
    if not isinstance(body, dict):
        raise Refusal(400, f"{where}: expected an object")
    for key, value in body.items():
        if key not in allowed:
            raise Refusal(400, f'proto: (line 1:2): unknown field "{key}" in {where}')
        kind = allowed[key]
        if isinstance(kind, dict):
            checked(value, kind, f"{where}.{key}")
        elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Refusal(400, f'proto: invalid value for "{key}": {value!r}')
    return body


REFERENCE = {"pipeline_id": str, "pipeline_version_id": str}
CONFIG = {"parameters": object, "pipeline_root": str}
RUN = {
    "experiment_id": str, "display_name": str, "description": str, "service_account": str,
    "pipeline_version_reference": REFERENCE, "runtime_config": CONFIG,
}  # fmt: skip
RECURRING = {
    **RUN, "mode": str, "no_catchup": bool, "max_concurrency": (str, int),
    "trigger": {"cron_schedule": {"cron": str, "start_time": str, "end_time": str}},
}  # fmt: skip
EXPERIMENT = {"display_name": str, "description": str, "namespace": str}


def parse_package(text: bytes) -> dict[str, Any]:
    """Take a package as the upload does: one strict PipelineSpec, at most one platform document."""
    try:
        spec, *platforms = [item for item in yaml.safe_load_all(text) if item]
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        for platform in platforms:
            json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        name = spec["pipelineInfo"]["name"]
    except (yaml.YAMLError, ValueError, KeyError, TypeError, json_format.ParseError) as error:
        raise Refusal(400, f"unknown template format: {error}") from None
    if spec.get("schemaVersion") != "2.1.0" or len(platforms) > 1 or "root" not in spec:
        raise Refusal(400, "unknown template format")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", name):
        raise Refusal(400, f"invalid pipeline name {name}")
    return {"pipeline_spec": spec, "platform_spec": platforms[0]} if platforms else spec


def runnable(spec: dict[str, Any]) -> None:
    """Hold what compiling to a workflow needs: executors that exist, legal and named tasks."""
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    for name, component in spec.get("components", {}).items():
        label = component.get("executorLabel")
        if label is not None and label not in executors:
            raise Refusal(500, f"{name}: no executor {label}")
    for label, executor in executors.items():
        container = executor.get("container", {})
        if "importer" not in executor and not (container.get("image") and container.get("command")):
            raise Refusal(500, f"executor {label} needs image and command")
    for task, item in spec["root"]["dag"]["tasks"].items():
        if not TASK.fullmatch(task) or not item.get("taskInfo", {}).get("name"):
            raise Refusal(500, f"task {task}: not a legal name")


def check_parameters(spec: dict[str, Any], given: dict[str, Any]) -> None:
    """Hold names and JSON types of runtime parameters."""
    known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
    for name, value in given.items():
        if name not in known:
            raise Refusal(400, f"parameter {name} is not an input of the pipeline")
        kind = known[name]["parameterType"]
        truth = isinstance(value, bool)
        if not isinstance(value, TYPES[kind]) or (truth and kind != "BOOLEAN"):
            raise Refusal(400, f"input parameter {name} requires type {kind}, but got {value!r}")
    for name, item in known.items():
        if name not in given and "defaultValue" not in item and not item.get("isOptional"):
            raise Refusal(
                400, f"parameter {name} is not optional, yet has neither default value nor user "
                "provided value",
            )  # fmt: skip


class Store:
    """Experiments, pipelines, versions, runs and recurring runs."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, Any]]] = {
            name: {}
            for name in ("experiments", "pipelines", "pipeline_versions", "runs", "recurring_runs")
        }
        self.now = datetime.datetime(2026, 11, 2, 3, 0, 0)

    def stamp(self) -> str:
        """Now, in whole seconds; the clock does not move by itself, so that times tie."""
        return f"{self.now:%Y-%m-%dT%H:%M:%SZ}"

    def add(self, table: str, key: str, **fields: Any) -> dict[str, Any]:
        identity = str(uuid.uuid4())
        row = {key: identity, "created_at": self.stamp(), **fields}
        self.tables[table][identity] = row
        return row

    def get(self, table: str, identity: str) -> dict[str, Any]:
        try:
            return self.tables[table][identity]
        except KeyError:
            raise Refusal(404, f"{table[:-1]} {identity} not found.") from None

    def unique(self, table: str, name: str, **equal: str) -> None:
        for row in self.tables[table].values():
            if row["display_name"] == name and all(row[k] == v for k, v in equal.items()):
                raise Refusal(409, f"Already exist error: the name {name} already exists")

    def page(self, table: str, query: dict[str, str], **equal: str) -> dict[str, Any]:
        """List with filter, order and pages, as the API does."""
        rows = [
            row for row in self.tables[table].values()
            if all(row.get(key) == value for key, value in equal.items() if value)
        ]  # fmt: skip
        for part in json.loads(query.get("filter") or "{}").get("predicates", []):
            if part["operation"] not in (1, "EQUALS"):
                raise Refusal(400, "only EQUALS is known here")
            rows = [row for row in rows if row.get(part["key"]) == part["stringValue"]]
        if order := query.get("sort_by"):
            rows.sort(key=lambda row: row[order.split()[0]], reverse=order.endswith(" desc"))
        first, size = int(query.get("page_token") or 0), int(query.get("page_size") or 10)
        if size > 200:
            raise Refusal(400, "the page size is above 200")
        answer: dict[str, Any] = {"total_size": len(rows)}
        if rows[first : first + size]:
            key = {"recurring_runs": "recurringRuns"}.get(table, table)  # the one in camel case
            answer[key] = rows[first : first + size]
        if len(rows) > first + size:
            answer["next_page_token"] = str(first + size)
        return answer

    def upload(self, name: str, text: bytes) -> dict[str, Any]:
        spec = parse_package(text)
        self.unique("pipelines", name)
        row = self.add("pipelines", "pipeline_id", display_name=name, name=name)
        self._version(row["pipeline_id"], name, spec)
        return row

    def upload_version(self, pipeline_id: str, name: str, text: bytes) -> dict[str, Any]:
        spec = parse_package(text)
        self.get("pipelines", pipeline_id)
        if not name or len(name) > 127:
            raise Refusal(400, "a version's name has 1 to 127 signs")
        self.unique("pipeline_versions", name, pipeline_id=pipeline_id)
        return self._version(pipeline_id, name, spec)

    def _version(self, pipeline_id: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        return self.add(
            "pipeline_versions", "pipeline_version_id",
            display_name=name, pipeline_id=pipeline_id, pipeline_spec=spec,
        )  # fmt: skip

    def delete_pipeline(self, pipeline_id: str, cascade: bool) -> None:
        self.get("pipelines", pipeline_id)
        versions = self.tables["pipeline_versions"]
        mine = [key for key, row in versions.items() if row["pipeline_id"] == pipeline_id]
        if mine and not cascade:
            raise Refusal(400, f"pipeline {pipeline_id} has {len(mine)} versions")
        for key in mine:
            del versions[key]
        del self.tables["pipelines"][pipeline_id]

    def create_experiment(self, body: Any) -> dict[str, Any]:
        checked(body, EXPERIMENT)
        self.unique("experiments", body["display_name"])
        return self.add("experiments", "experiment_id", **body)

    def create_run(self, body: Any) -> dict[str, Any]:
        runnable(self._prepared(checked(body, RUN)))
        return self.add(
            "runs", "run_id", **body, state="PENDING", finished_at=EPOCH, scheduled_at=self.stamp()
        )

    def create_recurring(self, body: Any) -> dict[str, Any]:
        self._prepared(checked(body, RECURRING))
        if len(body["trigger"]["cron_schedule"]["cron"].split()) != 6:
            raise Refusal(400, "a cron line has six fields here, seconds first")
        if not 1 <= int(body.get("max_concurrency", 0)) <= 10:
            raise Refusal(400, "max_concurrency is 1 to 10")
        status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
        body["max_concurrency"] = str(body["max_concurrency"])  # an int64 travels as text
        return self.add("recurring_runs", "recurring_run_id", **body, status=status)

    def _prepared(self, body: dict[str, Any]) -> dict[str, Any]:
        """Resolve the version a run names (else the newest) and check what it is given."""
        self.get("experiments", body["experiment_id"])
        reference, config = body["pipeline_version_reference"], body["runtime_config"]
        wanted = reference.get("pipeline_version_id")
        versions = [
            row for row in self.tables["pipeline_versions"].values()
            if row["pipeline_id"] == reference["pipeline_id"]
            and wanted in (None, row["pipeline_version_id"])
        ]  # fmt: skip
        if not versions:
            raise Refusal(404, "pipeline version not found")
        root = config.get("pipeline_root", "gs://default")
        if not root.startswith(("gs://", "s3://", "minio://")):
            raise Refusal(400, f"no provider for pipeline root {root}")
        spec = versions[-1]["pipeline_spec"]
        spec = spec.get("pipeline_spec", spec)
        check_parameters(spec, config.get("parameters", {}))
        return spec

    def details(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """Tell the tasks as the API does: the graph's root, drivers and tasks side by side.

        No task names its pods: what is called so are ids of Argo's nodes.
        Of a run that failed the second task is to blame; nothing behind it began.
        """
        version = run["pipeline_version_reference"]["pipeline_version_id"]
        spec = self.get("pipeline_versions", version)["pipeline_spec"]
        spec = spec.get("pipeline_spec", spec)
        graph = next(c["dag"] for c in [*spec["components"].values(), spec["root"]] if "dag" in c)
        rows = [{"display_name": "root", "state": run["state"]}]
        for number, name in enumerate(graph["tasks"]):
            if number > {"RUNNING": 0, "FAILED": 1}.get(run["state"], number):
                break
            row = {
                "display_name": name, "state": run["state"],
                "start_time": "2026-11-02T03:00:10Z",
                "child_tasks": [{"pod_name": f"small-x1-{number}"}],
            }  # fmt: skip
            if run["state"] in ("SUCCEEDED", "FAILED"):
                row["end_time"] = "2026-11-02T03:00:52Z"
            if run["state"] == "FAILED" and number == 0 and len(graph["tasks"]) > 1:
                row["state"] = "SUCCEEDED"
            elif run["state"] == "FAILED":
                row["error"] = {"code": 2, "message": "exit code 1"}
            rows += [{"display_name": f"{name}-driver", "state": "SUCCEEDED"}, row]
        return rows

    def terminate(self, run_id: str) -> None:
        run = self.get("runs", run_id)
        if run["state"] not in ("PENDING", "RUNNING", "PAUSED"):
            raise Refusal(400, "Row not found")
        run["state"] = "CANCELING"
