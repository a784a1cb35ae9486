"""The package as a file: YAML that Kubeflow's reader takes as meant, with a seal against edits."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from trainer.errors import UserError

SEAL = "# sealed: sha256:"
"""Begins the last line; what follows is the digest of all lines above."""

SCHEMA_VERSION = "2.1.0"


@dataclass(frozen=True)
class Package:
    """A package, read and checked."""

    spec: pipeline_spec_pb2.PipelineSpec
    platforms: dict[str, Any]

    @property
    def name(self) -> str:
        """The pipeline's name on Kubeflow."""
        return str(self.spec.pipeline_info.name)


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a YAML 1.2 reader could take for something else.

    PyYAML reads by YAML 1.1, where `1e3` and `0o7` are texts; Kubeflow's Go reader takes them for
    numbers.
    """

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if re.match(r"[-+.]?\d", value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def write_text(spec: dict[str, Any], platforms: dict[str, Any]) -> str:
    """Write both documents of a package, keys sorted, and seal them."""
    documents = [spec, *([platforms] if platforms else [])]
    text = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=10**6)
    return f"{text}{SEAL}{_digest(text)}\n"


def save(text: str, path: Path) -> Path:
    """Write a package's text to a file, whole or not at all.

    Raises:
      UserError: It cannot be written there.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(f"package file '{path}' should end in .yaml: Kubeflow goes by the ending")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)  # noqa: PTH101 - a temporary file is the owner's alone
        os.replace(file.name, path)  # noqa: PTH105
    except OSError as error:
        raise UserError(f"cannot write package '{path}': {error.strerror}") from None
    return path


def read(path: Path) -> Package:
    """Read a package and check that it is what was compiled.

    Raises:
      UserError: There is no such file, it is no package of ours, or it was edited by hand.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UserError(
            f"cannot read package '{path}' ({reason}): give a file that `genvision kubeflow "
            "compile` wrote"
        ) from None
    body, mark, seal = text.rpartition(SEAL)
    if not mark:
        raise UserError(
            f"'{path}' is no package of `genvision kubeflow compile`: its last line has no seal"
        )
    if seal.strip() != _digest(body):
        raise UserError(
            f"package '{path}' was edited by hand (its seal does not match): change the recipe or "
            "the pipeline and compile it again"
        )
    spec, *rest = yaml.safe_load_all(body)
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    return Package(message, rest[0] if rest else {})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
