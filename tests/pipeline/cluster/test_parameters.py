"""Command-line words become the JSON types a pipeline declares."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.cluster.parameters import converted, split
from trainer.errors import UserError


def test_every_type(package_spec: dict[str, Any]) -> None:
    words = ("n=8", "rate=1e-3", "tag=1e3", "fast=true", "sizes=[1, 2]", 'extra={"a": null}')
    assert converted(split(words), package_spec) == {
        "n": 8, "rate": 0.001, "tag": "1e3", "fast": True, "sizes": [1, 2], "extra": {"a": None},
    }  # fmt: skip


def test_below_the_key_of_the_api(package_spec: dict[str, Any]) -> None:
    held = {"pipeline_spec": package_spec, "platform_spec": {}}
    assert converted({"n": "1", "tag": "a=b"}, held) == {"n": 1, "tag": "a=b"}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("n=1", "tag=a", "rates=2"), "unknown runtime parameter 'rates': did you mean 'rate'?"),
        (("n=1",), "'tag' has no default: give tag=VALUE"),
        (("n=1.5", "tag=a"), "'n' is '1.5': give a whole number"),
        (("n=1", "tag=a", "fast=maybe"), "'fast' is 'maybe': give true or false"),
        (("n=1", "tag=a", "sizes={}"), "'sizes' is '{}': give a JSON list"),
        (("n",), "'n' is no parameter: write it as name=value"),
    ],
)
def test_mistakes(package_spec: dict[str, Any], words: tuple[str, ...], why: str) -> None:
    with pytest.raises(UserError) as caught:
        converted(split(words), package_spec)
    assert why in str(caught.value)


def test_names_as_recipes_have_them() -> None:
    inputs = {"train_steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3}}
    spec = {"root": {"inputDefinitions": {"parameters": inputs}}}
    assert converted({"train.steps": "5"}, spec) == {"train_steps": 5}
