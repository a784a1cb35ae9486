"""Runs ReviewedSchema: parses the packaged schema and publishes it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components import datasets
from trainer.errors import UserError

FILE = "schema.pbtxt"
"""Where TFX's components look for it in a Schema artifact."""


class Executor(base_executor.BaseExecutor):
    """Writes `schema.pbtxt`."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Publish the schema; see `ReviewedSchema` for the parameter.

        Raises:
          UserError: The file is no schema.
        """
        source = datasets.get(exec_properties["dataset"]).schema_file
        text = source.read_text(encoding="utf-8")
        try:
            text_format.Parse(text, schema_pb2.Schema())
        except text_format.ParseError as error:
            raise UserError(f"'{source}' is no schema in text format: {error}") from error
        uri = artifact_utils.get_single_uri(output_dict["schema"])
        tf.io.gfile.makedirs(uri)
        with tf.io.gfile.GFile(f"{uri}/{FILE}", "w") as file:
            file.write(text)
