"""Model configs: what is refused before anything changes."""

from __future__ import annotations

import pytest
from google.protobuf import text_format

from serving import config
from serving.errors import ServingError
from serving.status import StatusError


def parsed(text: str):
    return text_format.Parse(text, config.ModelServerConfig())


def entry(name: str, base: object, more: str = 'model_platform: "tensorflow"') -> str:
    return f'config {{ name: "{name}" base_path: "{base}" {more} }}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "ServerModelConfig type not supported by HandleReloadConfigRequest"),
        (
            f"model_config_list {{ {entry('a', '/x')} {entry('a', '/y')} }}",
            "Illegal to list model a multiple times in config list",
        ),
        (
            f"model_config_list {{ {entry('a', 'x')} }}",
            "Expected model a to have an absolute path or URI; got base_path()=x",
        ),
        (
            f"model_config_list {{ {entry('a', '/x', '')} }}",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is a",
        ),
        (
            "model_config_list { " + entry("a", "/x", "model_platform: 'torch'") + " }",
            "Model a requests unsupported platform torch",
        ),
        (
            "model_config_list { "
            + entry("a", "/x", "model_type: TENSORFLOW model_platform: 'tensorflow'")
            + " }",
            "Illegal to set both ModelServerConfig::model_type (deprecated) and model_platform; "
            "model name is a",
        ),
        (
            f"model_config_list {{ {entry('a', '/x', 'model_type: OTHER')} }}",
            "Model a requests unsupported type 2",
        ),
        (
            f"model_config_list {{ {entry('a', 's3://b/c')} }}",
            "File system scheme 's3' not implemented",
        ),
    ],
)
def test_configs_with_errors_are_refused_in_the_contracts_words(text, words):
    with pytest.raises(StatusError) as refused:
        config.validated(parsed(text))
    assert refused.value.code.name == "INVALID_ARGUMENT"
    assert refused.value.message.startswith(words)


def test_a_config_file_names_its_first_error_and_its_missing_folder(tmp_path):
    file = tmp_path / "models.config"
    file.write_text("model_config_list { config { nam: 'a' } }")
    with pytest.raises(ServingError, match=r"Error parsing text-format .* \"nam\""):
        config.read(file)
    file.write_text(f"model_config_list {{ {entry('a', 'relative')} }}")
    with pytest.raises(ServingError, match="absolute path"):
        config.read(file)
    file.write_text(f"model_config_list {{ {entry('a', tmp_path / 'none')} }}")
    with pytest.raises(ServingError, match="base path of model 'a' is no directory"):
        config.read(file)
    latest = "model_platform: 'tensorflow', model_version_policy: {latest: {num_versions: 2}}"
    labels = "version_labels { key: 'stable' value: 4 }"
    file.write_text(f"model_config_list: {{ {entry('a', tmp_path, f'{latest} {labels}')} }}")
    (settings,) = config.read(file).values()
    assert settings.policy.latest.num_versions == 2
    assert settings.labels == {"stable": 4}
