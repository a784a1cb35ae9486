"""Read a compiled package and refuse what a KFP 2 backend would not take, before it is sent."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.runners.kubeflow import package_file
from trainer.errors import UserError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


def read(path: Path) -> dict[str, Any]:
    """Read and check a package.

    Returns:
      Its PipelineSpec as JSON.

    Raises:
      UserError: The file is missing, no YAML, edited by hand, or no PipelineSpec of the schema that
        KFP 2 takes with at most one document about the platform behind it.
    """
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    spec, *platforms = documents = _documents(path)
    kinds = [pipeline_spec_pb2.PipelineSpec, pipeline_spec_pb2.PlatformSpec]
    if len(documents) > len(kinds):
        raise _bad(path, f"it has {len(documents)} documents; one or two are allowed")
    for document, kind in zip(documents, kinds, strict=False):
        try:
            json_format.ParseDict(document, kind())
        except json_format.ParseError as error:
            raise _bad(path, " ".join(str(error).split())) from None
    schema, known = spec.get("schemaVersion"), package_file.SCHEMA_VERSION
    if schema != known:
        raise _bad(path, f"its schemaVersion is {schema!r}, not {known}")
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not NAME.fullmatch(name):
        raise _bad(path, f"its name '{name}' has other signs than a-z, 0-9 and '-'")
    if platforms and "platforms" not in platforms[0]:
        raise _bad(path, "its second document should begin with 'platforms'")
    return spec


def content(path: Path) -> dict[str, Any]:
    """Return a checked package in the form in which the API holds a version of it."""
    read(path)
    spec, *platforms = _documents(path)
    return {"pipeline_spec": spec, "platform_spec": platforms[0]} if platforms else spec


def nodes(spec: Mapping[str, Any]) -> dict[str, str]:
    """Map each container task, those in sub-DAGs included, to the name it is shown under.

    In the order in which they can run.
    """
    spec = spec.get("pipeline_spec", spec)
    components = spec.get("components", {})
    found = {}
    for graph in (spec["root"], *components.values()):
        tasks = graph.get("dag", {}).get("tasks", {})
        before = {key: item.get("dependentTasks", ()) for key, item in sorted(tasks.items())}
        for key in graphlib.TopologicalSorter(before).static_order():
            if "executorLabel" in components.get(tasks[key]["componentRef"]["name"], {}):
                found[key] = str(tasks[key]["taskInfo"]["name"])
    return found


def _documents(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
        documents = [item for item in yaml.safe_load_all(text) if item]
    except OSError:
        raise UserError(f"no package '{path}': compile the pipeline first") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _bad(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if package_file.SEAL in text:
        package_file.read(path)  # one of ours: whether it is as it was compiled
    if not documents or not all(isinstance(item, dict) for item in documents):
        raise _bad(path, "it should hold a PipelineSpec")
    return documents


def _bad(path: Path, why: str) -> UserError:
    return UserError(f"package '{path}' is none for Kubeflow Pipelines 2: {why}; compile it anew")
