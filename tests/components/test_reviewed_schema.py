"""The reviewed schema as a node: published as it is, keyed by what it says, refused when broken."""

from __future__ import annotations

import dataclasses

import pytest
from tfx.types import standard_artifacts

from components import datasets
from components.reviewed_schema.component import ReviewedSchema
from components.reviewed_schema.executor import Executor
from trainer.errors import UserError


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """Makes the schema of the digits a file in `tmp_path`."""
    spec = datasets.get("digits")
    (tmp_path / "digits.pbtxt").write_bytes(spec.schema_file.read_bytes())
    monkeypatch.setattr("components.datasets.base.SCHEMAS", tmp_path)
    assert dataclasses.replace(spec).schema_file == tmp_path / "digits.pbtxt"
    return tmp_path / "digits.pbtxt"


def test_the_key_changes_with_the_content_alone(edited):
    before = ReviewedSchema("digits").exec_properties
    edited.write_text(edited.read_text())
    assert ReviewedSchema("digits").exec_properties == before
    edited.write_text(edited.read_text().replace("max: 9", "max: 8"))
    assert ReviewedSchema("digits").exec_properties["digest"] != before["digest"]
    assert ReviewedSchema("digits").exec_properties["dataset"] == before["dataset"]


def test_the_schema_is_published_as_it_is(edited, tmp_path):
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path / "schema")
    Executor().Do({}, {"schema": [schema]}, {"dataset": "digits"})
    assert (tmp_path / "schema" / "schema.pbtxt").read_bytes() == edited.read_bytes()
    edited.write_text("feature { nme: 1 }")
    with pytest.raises(UserError, match=r"digits.pbtxt' is no schema in text format"):
        Executor().Do({}, {"schema": [schema]}, {"dataset": "digits"})
