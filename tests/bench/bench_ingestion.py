"""Ingestion against plain reading, with one and two workers, and memory as the data grow.

    python tests/bench/bench_ingestion.py [--data-dir DIR] [--dataset cifar10] [--split test]

Every measurement is a process of its own, so that each starts cold and its peak memory is its own.
A measurement's time begins when its imports are done and, for ingestion, is that of the whole
component: planning, Beam, writing, manifest. `fixed` is the time that the same component takes for
ten records: TFX's and Beam's start-up. Plain reading is `tfds.load(...).as_numpy_iterator()`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FEW = 10
SCENES = 2000


def read(dataset: str, split: str, data_dir: str) -> int:
    """Read a split with TFDS alone; return the number of records."""
    import tensorflow_datasets as tfds

    stored = tfds.load(dataset, split=split, data_dir=data_dir, download=False)
    return sum(1 for _ in stored.as_numpy_iterator())


def ingest(dataset: str, split: str, data_dir: str, workers: int, limit: int, source: str) -> int:
    """Run the component's executor into a folder that is thrown away; return the records."""
    from tfx.types import standard_artifacts

    from components.example_gen.executor import Executor
    from pipeline.nodes import IN_MEMORY_BEAM

    args = [*IN_MEMORY_BEAM]
    if workers > 1:
        args += ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]
    examples = standard_artifacts.Examples()
    with tempfile.TemporaryDirectory() as folder:
        examples.uri = folder
        Executor(Executor.Context(beam_pipeline_args=args)).Do(
            {},
            {"examples": [examples]},
            {
                "dataset": dataset,
                "source": source,
                "splits": json.dumps({"train": split}),
                "data_dir": data_dir,
                "num_shards": 4,
                "limit": limit or None,
            },
        )
        return json.loads(Path(folder, "manifest.json").read_text())["splits"]["train"]["records"]


def child(job: dict[str, Any]) -> None:
    """Do one job in this process and print what it took."""
    import apache_beam
    import tensorflow_datasets
    import tfx.types

    assert apache_beam and tensorflow_datasets and tfx.types
    from components.example_gen import executor

    assert executor
    work = {"read": read, "ingest": ingest}[job.pop("work")]
    began = time.perf_counter()
    records = work(**job)
    took = time.perf_counter() - began
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(each).ru_maxrss for each in who) / 1024
    print(json.dumps({"records": records, "seconds": took, "peak_mb": peak}))


def measure(**job: Any) -> dict[str, float]:
    """Do one job in a process of its own."""
    command = [sys.executable, __file__, "--job", json.dumps(job)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed(dataset: str, split: str, data_dir: str) -> list[dict[str, float | str]]:
    """Compare ingestion with plain reading."""
    where: dict[str, Any] = {"dataset": dataset, "split": split, "data_dir": data_dir}
    plain = measure(work="read", **where)
    rows: list[dict[str, float | str]] = [{"what": "plain reading", "ratio": 1.0, **plain}]
    for workers in (1, 2):
        common = {"work": "ingest", "workers": workers, "source": "{}", **where}
        fixed = measure(limit=FEW, **common)["seconds"]
        whole = measure(limit=0, **common)
        ratio = (whole["seconds"] - fixed) / plain["seconds"]
        what = f"ingestion, {workers} worker process{'es' * (workers > 1)}"
        rows.append({"what": what, "fixed": fixed, "ratio": ratio, **whole})
    return rows


def memory(data_dir: str) -> list[dict[str, float | str]]:
    """Ingest scenes of one size and of four times that size."""
    rows: list[dict[str, float | str]] = []
    for factor in (1, 4):
        source = json.dumps({"size": SCENES * factor, "seed": 1})
        common = {"work": "ingest", "dataset": "scenes", "data_dir": data_dir, "source": source}
        # The first run also renders; the second only ingests.
        measure(split="train", workers=1, limit=FEW, **common)
        found = measure(split="train", workers=1, limit=0, **common)
        rows.append({"what": f"scenes, {factor}x", **found})
    return rows


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", default="runs/data", help="prepared TFDS data")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--split", default="train")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        child(json.loads(given.job))
        return
    rows = speed(given.dataset, given.split, given.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        rows += memory(folder)
    print(f"{given.dataset} {given.split}")
    print(f"{'':32}{'records':>9}{'s':>8}{'rec/s':>9}{'fixed s':>9}{'ratio':>7}{'peak MB':>9}")
    for row in rows:
        fixed = f"{row['fixed']:.1f}" if "fixed" in row else ""
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
        rate = float(row["records"]) / float(row["seconds"])
        print(
            f"{row['what']:32}{row['records']:9,}{row['seconds']:8.1f}{rate:9,.0f}"
            f"{fixed:>9}{ratio:>7}{row['peak_mb']:9.0f}"
        )


if __name__ == "__main__":
    main()
