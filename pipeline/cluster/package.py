"""Read a compiled package and refuse what a KFP 2 backend would not take, before it is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from trainer.errors import UserError

SCHEMA = "2.1.0"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


def read(path: Path) -> dict[str, Any]:
    """Read and check a package.

    Returns:
      Its PipelineSpec as JSON.

    Raises:
      UserError: The file is missing, no YAML, or no PipelineSpec of schema 2.1.0 with at most one
        document about the platform behind it.
    """
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        documents = [item for item in yaml.safe_load_all(path.read_text("utf-8")) if item]
    except OSError:
        raise UserError(f"no package '{path}': compile the pipeline first") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _bad(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not documents or not all(isinstance(item, dict) for item in documents):
        raise _bad(path, "it should hold a PipelineSpec")
    spec, *platforms = documents
    kinds = [pipeline_spec_pb2.PipelineSpec, pipeline_spec_pb2.PlatformSpec]
    if len(documents) > len(kinds):
        raise _bad(path, f"it has {len(documents)} documents; one or two are allowed")
    for document, kind in zip(documents, kinds, strict=False):
        try:
            json_format.ParseDict(document, kind())
        except json_format.ParseError as error:
            raise _bad(path, " ".join(str(error).split())) from None
    if spec.get("schemaVersion") != SCHEMA:
        raise _bad(path, f"its schemaVersion is {spec.get('schemaVersion')!r}, not {SCHEMA}")
    name = spec.get("pipelineInfo", {}).get("name", "")
    if not NAME.fullmatch(name):
        raise _bad(path, f"its name '{name}' has other signs than a-z, 0-9 and '-'")
    if platforms and "platforms" not in platforms[0]:
        raise _bad(path, "its second document should begin with 'platforms'")
    return spec


def _bad(path: Path, why: str) -> UserError:
    return UserError(
        f"package '{path}' is not one for Kubeflow Pipelines 2: {why}; compile it anew"
    )
