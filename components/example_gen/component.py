"""TfdsExampleGen: an ordinary Beam component, so it runs wherever Beam components run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components import datasets
from components.datasets.base import Source
from components.example_gen import executor


class TfdsExampleGenSpec(component_spec.ComponentSpec):
    """What the component is given and what it makes."""

    PARAMETERS = {
        "dataset": component_spec.ExecutionParameter(type=str),
        # Part of the parameters so that a cached result of another version is never used.
        "dataset_version": component_spec.ExecutionParameter(type=str),
        "source": component_spec.ExecutionParameter(type=str),
        # Of a folder of one's own it is the fingerprint, so that a changed folder is read anew.
        "config": component_spec.ExecutionParameter(type=str, optional=True),
        "splits": component_spec.ExecutionParameter(type=str),
        "data_dir": component_spec.ExecutionParameter(type=str),
        "limit": component_spec.ExecutionParameter(type=int, optional=True),
        "num_shards": component_spec.ExecutionParameter(type=int),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {"examples": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class TfdsExampleGen(base_beam_component.BaseBeamComponent):
    """Reads TFDS splits and writes them as gzip TFRecords of tf.Examples, images as stored."""

    SPEC_CLASS = TfdsExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        dataset: str,
        splits: Mapping[str, str],
        data_dir: str,
        limit: int | None = None,
        num_shards: int = 4,
        source: Source | None = None,
    ) -> None:
        """Construct the component.

        Args:
          dataset: Name in `components.datasets.DATASETS`.
          splits: Output split -> TFDS split expression, for example
            {"train": "train[:90%]", "eval": "test"}. Output splits may not share records.
          data_dir: Folder of prepared TFDS data; what is missing there is prepared there.
          limit: At most this many records per output split; None for all.
          num_shards: Files per output split (fewer if it has fewer records).
          source: What the recipe says beyond the data set's name; None for nothing.

        Raises:
          UserError: No data set has this name, or the source does not fit it.
        """
        source = source or Source()
        described = datasets.resolve(dataset, source)
        spec = TfdsExampleGenSpec(
            dataset=dataset,
            dataset_version=described.version,
            source=json.dumps(dataclasses.asdict(source)),
            config=described.config,
            splits=json.dumps(dict(splits)),
            data_dir=data_dir,
            limit=limit,
            num_shards=num_shards,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
