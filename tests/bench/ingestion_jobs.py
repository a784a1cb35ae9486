"""One measured piece of work in a process of its own; `bench_ingestion.py` starts these.

Time and memory count from the end of the imports and of a run over ten records, so neither holds
what TensorFlow, TFX and Beam cost in any case. Peak memory is the kernel's VmHWM, reset after that.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FEW = 10
IN_MEMORY = ["--runner=FnApiRunner", "--sdk_container_image=none"]


def read(dataset: str, split: str, data_dir: str, limit: int = 0) -> int:
    """Read a split with TFDS alone; return the number of records."""
    import tensorflow_datasets as tfds

    stored = tfds.load(dataset, split=split, data_dir=data_dir, download=False)
    stored = stored.take(limit) if limit else stored
    return sum(1 for _ in stored.as_numpy_iterator())


def ingest(
    dataset: str,
    splits: dict[str, str],
    data_dir: str,
    into: str | None = None,
    workers: int = 1,
    limit: int = 0,
    source: str = "{}",
) -> dict[str, Any]:
    """Run TfdsExampleGen's executor; return its manifest's splits."""
    from tfx.types import standard_artifacts

    from components.example_gen.executor import Executor

    examples = standard_artifacts.Examples()
    with tempfile.TemporaryDirectory() as thrown_away:
        examples.uri = into or thrown_away
        Executor(Executor.Context(beam_pipeline_args=_options(workers))).Do(
            {},
            {"examples": [examples]},
            {
                "dataset": dataset,
                "source": source,
                "splits": json.dumps(splits),
                "data_dir": data_dir,
                "num_shards": 4,
                "limit": limit or None,
            },
        )
        return json.loads(Path(examples.uri, "manifest.json").read_text())["splits"]


def statistics(dataset: str, examples: str, into: str) -> None:
    """Run StatisticsGen's executor as the pipeline sets it up."""
    from tfx.components.statistics_gen.executor import Executor
    from tfx.types import standard_artifacts

    from components import datasets
    from pipeline.build import statistics_options

    schema, made = standard_artifacts.Schema(), standard_artifacts.ExampleStatistics()
    schema.uri, made.uri = f"{into}/schema", f"{into}/statistics"
    Path(schema.uri).mkdir(parents=True)
    content = datasets.get(dataset).schema_file.read_text()
    Path(schema.uri, "schema.pbtxt").write_text(content)
    Executor(Executor.Context(beam_pipeline_args=IN_MEMORY)).Do(
        {"examples": [_examples(examples)], "schema": [schema]},
        {"statistics": [made]},
        {"stats_options_json": statistics_options().to_json()},
    )


def check(dataset: str, source: str, examples: str, into: str, workers: int = 1) -> None:
    """Run DataCheck's executor; the data must pass."""
    from tensorflow_metadata.proto.v0 import anomalies_pb2
    from tfx.types import standard_artifacts

    from components.data_check.component import DataReport
    from components.data_check.executor import Executor
    from components.data_check.settings import Checks

    given, anomalies = _examples(examples), standard_artifacts.ExampleAnomalies()
    checked, report = standard_artifacts.Examples(), DataReport()
    anomalies.uri, checked.uri, report.uri = (f"{into}/{name}" for name in ("a", "c", "r"))
    anomalies.split_names = given.split_names
    for split in json.loads(given.split_names):
        folder = Path(anomalies.uri, f"Split-{split}")
        folder.mkdir(parents=True)
        (folder / "SchemaDiff.pb").write_bytes(anomalies_pb2.Anomalies().SerializeToString())
    Executor(Executor.Context(beam_pipeline_args=_options(workers))).Do(
        {"examples": [given], "anomalies": [anomalies]},
        {"checked": [checked], "report": [report]},
        {
            "dataset": dataset,
            "source": source,
            "checks": Checks().model_dump_json(),
            "state_dir": f"{into}/state",
        },
    )


def _examples(uri: str) -> Any:
    from tfx.types import standard_artifacts

    from components.example_gen.manifest import describe

    artifact = standard_artifacts.Examples()
    artifact.uri = uri
    describe(artifact, json.loads(Path(uri, "manifest.json").read_text()))
    return artifact


def _options(workers: int) -> list[str]:
    if workers == 1:
        return IN_MEMORY
    return [
        *IN_MEMORY,
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers}",
    ]


def _memory(key: str) -> float:
    """Megabytes of this process: VmRSS is now, VmHWM the most since `_reset_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (value,) = [line.split()[1] for line in lines if line.startswith(key)]
    return int(value) / 1024


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


JOBS = {"read": read, "ingest": ingest, "statistics": statistics, "check": check}


def main() -> None:
    """Do the job that is given as JSON, print what it took."""
    job, warm = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    work = JOBS[job.pop("work")]
    began = time.perf_counter()
    work(**{**job, **warm})
    first = time.perf_counter() - began
    _reset_peak()
    before, began = _memory("VmRSS"), time.perf_counter()
    result = work(**job)
    took = time.perf_counter() - began
    grown = _memory("VmHWM") - before
    print(json.dumps({"result": result, "seconds": took, "warm": first, "grown_mb": grown}))


if __name__ == "__main__":
    main()
