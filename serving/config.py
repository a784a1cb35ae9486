"""Model config: the text protos of TensorFlow Serving, checked before anything changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.errors import ServingError
from serving.status import StatusError, invalid
from serving.versions import Policy

ModelServerConfig: TypeAlias = model_server_config_pb2.ModelServerConfig
PLATFORM = "tensorflow"
_TYPES = model_server_config_pb2.ModelType
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class ModelSettings:
    """What one entry of a model config asks for."""

    name: str
    base_path: Path
    policy: Policy = field(default_factory=Policy)
    labels: Mapping[str, int] = field(default_factory=dict)


def single(name: str, base_path: Path) -> dict[str, ModelSettings]:
    """Return the settings for one model with the default policy (latest version).

    Raises:
      ServingError: If the base path is no directory.
    """
    settings = {name: ModelSettings(name, base_path.absolute())}
    _check_folders(settings)
    return settings


def read(path: Path, content: bytes | None = None) -> dict[str, ModelSettings]:
    """Read a `--model-config-file`.

    Args:
      path: The file.
      content: What was read of it already; None: read it.

    Raises:
      ServingError: If it cannot be read, does not parse, or asks for something impossible.
    """
    try:
        text = (path.read_bytes() if content is None else content).decode("utf-8")
        config = text_format.Parse(text, ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ServingError(f"cannot read the model config file {path}: {error}") from error
    except text_format.ParseError as error:
        shown = " ".join(str(error).split())
        raise ServingError(f"Error parsing text-format model config file {path}: {shown}") from None
    try:
        settings = validated(config)
    except StatusError as error:
        raise ServingError(f"model config file {path}: {error.message}") from None
    _check_folders(settings)
    return settings


def validated(config: ModelServerConfig) -> dict[str, ModelSettings]:
    """Return the settings of a config in its own order.

    Raises:
      StatusError: INVALID_ARGUMENT in the words of `model_service_impl.cc` and `server_core.cc`.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
    settings: dict[str, ModelSettings] = {}
    for model in config.model_config_list.config:
        if model.name in settings:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        _check(model)
        settings[model.name] = ModelSettings(
            model.name,
            Path(model.base_path),
            model.model_version_policy,
            dict(model.version_labels),
        )
    return settings


def _check(model: model_server_config_pb2.ModelConfig) -> None:
    if _SCHEME.match(model.base_path):
        raise invalid(
            f"File system scheme '{model.base_path.split(':')[0]}' not implemented "
            f"(file: '{model.base_path}')"
        )
    if not Path(model.base_path).is_absolute():
        raise invalid(
            f"Expected model {model.name} to have an absolute path or URI; "
            f"got base_path()={model.base_path}"
        )
    if model.model_platform and model.model_type:
        raise invalid(
            "Illegal to set both ModelServerConfig::model_type (deprecated) and model_platform; "
            f"model name is {model.name}"
        )
    # model_type TENSORFLOW is the deprecated way to say the same.
    if not model.model_platform and not model.model_type:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            f"nor ModelServerConfig::model_platform, model name is {model.name}"
        )
    if model.model_platform and model.model_platform != PLATFORM:
        raise invalid(f"Model {model.name} requests unsupported platform {model.model_platform}")
    if model.model_type not in (_TYPES.MODEL_TYPE_UNSPECIFIED, _TYPES.TENSORFLOW):
        raise invalid(f"Model {model.name} requests unsupported type {model.model_type}")


def _check_folders(settings: Mapping[str, ModelSettings]) -> None:
    for model in settings.values():
        if not model.base_path.is_dir():
            raise ServingError(
                f"the base path of model '{model.name}' is no directory: {model.base_path}; "
                "it must exist and hold one folder per version (1, 2, ...)"
            )
