"""Ingestion measured: against plain reading, memory as data grow, and the real data sets whole.

    python tests/bench/bench_ingestion.py speed  --data-dir DIR [--dataset cifar10]
    python tests/bench/bench_ingestion.py memory --data-dir DIR [--scenes 8000]
    python tests/bench/bench_ingestion.py real   --data-dir DIR [--dataset NAME]

Every measurement is a process of its own and begins behind its imports and the same work over ten
records. `speed` repeats itself and takes the fastest; `start-up` is what ten records take then:
TFX's and Beam's fixed part, worker processes included, which the ratio leaves out. Plain reading
is `tfds.load(...).as_numpy_iterator()`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ingestion_jobs import FEW

JOBS = Path(__file__).with_name("ingestion_jobs.py")
ROOT = Path(__file__).resolve().parents[2]
REAL = {
    "mnist": {"train": "train", "eval": "test"},
    "fashion_mnist": {"train": "train", "eval": "test"},
    "cifar10": {"train": "train", "eval": "test"},
    "coco_captions": {"train": "train", "eval": "val"},
}


def measure(warm: dict[str, Any], **job: Any) -> dict[str, Any]:
    """Do one job in a process of its own, after the same job with the changes of `warm`."""
    command = [sys.executable, str(JOBS), json.dumps(job), json.dumps(warm)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=_environment(), check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def speed(data_dir: str, dataset: str, split: str = "train", times: int = 2) -> None:
    """Compare ingestion with plain reading, with one and two worker processes."""
    where = {"dataset": dataset, "data_dir": data_dir}
    ingest = {"work": "ingest", "splits": {"train": split}, **where}
    few = {"limit": FEW}
    print(f"{dataset} {split}")
    print(f"{'':28}{'records':>9}{'s':>8}{'start-up s':>12}{'rec/s':>9}{'ratio':>7}")
    plain = min(
        (measure(few, work="read", split=split, **where) for _ in range(times)),
        key=lambda found: found["seconds"],
    )
    records = plain["result"]
    line = f"{records:9,}{plain['seconds']:8.2f}{0.0:12.2f}{records / plain['seconds']:9,.0f}"
    print(f"{'plain reading':28}{line}{1.0:7.2f}", flush=True)
    for workers in (1, 2):
        runs = [measure(few, workers=workers, **ingest) for _ in range(times)]
        starts = [measure(few, workers=workers, limit=FEW, **ingest) for _ in range(times)]
        whole, start = (min(run["seconds"] for run in found) for found in (runs, starts))
        took = max(whole - start, 1e-9)
        what = f"ingestion, {workers} worker{'s' * (workers > 1)}"
        line = f"{records:9,}{whole:8.2f}{start:12.2f}{records / took:9,.0f}"
        print(f"{what:28}{line}{took / plain['seconds']:7.2f}", flush=True)


def memory(data_dir: str, scenes: int) -> None:
    """Show what each step's memory grows by, for scenes of one size and of four times that."""
    print(f"{'scenes':>9}{'step':>14}{'s':>8}{'grown by MB':>13}")
    for size in (scenes, 4 * scenes):
        source = json.dumps({"size": size, "seed": 1})
        with tempfile.TemporaryDirectory() as folder:
            few, whole = f"{folder}/few", f"{folder}/whole"
            jobs: list[tuple[dict[str, Any], dict[str, Any]]] = [
                (
                    {"into": few, "limit": FEW},
                    {
                        "work": "ingest",
                        "splits": {"train": "train", "eval": "test"},
                        "data_dir": data_dir,
                        "source": source,
                        "into": whole,
                    },
                ),
                (
                    {"examples": few, "into": f"{folder}/s1"},
                    {"work": "statistics", "examples": whole, "into": f"{folder}/s2"},
                ),
                (
                    {"examples": few, "into": f"{folder}/c1"},
                    {
                        "work": "check",
                        "source": source,
                        "examples": whole,
                        "into": f"{folder}/c2",
                    },
                ),
            ]
            for warm, job in jobs:
                found = measure(warm, dataset="scenes", **job)
                line = f"{size:9,}{job['work']:>14}{found['seconds']:8.1f}"
                print(f"{line}{found['grown_mb']:13.1f}", flush=True)


def real(data_dir: str, names: list[str]) -> None:
    """Send real data sets through ingestion and data check, whole."""
    header = f"{'data set':15}{'split':7}{'in':>8}{'out':>8}{'payload MB':>12}"
    print(f"{header}{'ingest s':>10}{'rec/s':>9}{'check s':>9}")
    for name in names:
        splits = REAL[name]
        with tempfile.TemporaryDirectory() as folder:
            few, whole = f"{folder}/few", f"{folder}/whole"
            warm = {"into": few, "limit": FEW}
            job = {"work": "ingest", "dataset": name, "splits": splits, "data_dir": data_dir}
            made = measure(warm, into=whole, **job)
            checked = measure(
                {"examples": few, "into": f"{folder}/c1"},
                work="check",
                dataset=name,
                source="{}",
                examples=whole,
                into=f"{folder}/c2",
            )
            passed = json.loads(Path(folder, "c2", "c", "manifest.json").read_text())["splits"]
        total = sum(counted["records"] for counted in passed.values())
        for number, (split, counted) in enumerate(made["result"].items()):
            stored = _stored(data_dir, name, splits[split])
            line = f"{name:15}{split:7}{stored:8,}{passed[split]['records']:8,}"
            line += f"{counted['bytes'] / 1e6:12.2f}"
            if not number:
                rate = total / made["seconds"]
                line += f"{made['seconds']:10.2f}{rate:9,.0f}{checked['seconds']:9.2f}"
            print(line, flush=True)


def _stored(data_dir: str, name: str, split: str) -> int:
    """Records of a split by TFDS's own metadata."""
    (file,) = Path(data_dir, name).rglob("dataset_info.json")
    splits = {entry["name"]: entry for entry in json.loads(file.read_text())["splits"]}
    return sum(map(int, splits[split]["shardLengths"]))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "memory", "real"])
    parser.add_argument("--data-dir", default="runs/data", help="prepared TFDS data")
    parser.add_argument("--dataset", choices=REAL, help="for speed (cifar10) and real (all)")
    parser.add_argument("--scenes", type=int, default=8000, help="for memory: the smaller size")
    given = parser.parse_args()
    where = str(Path(given.data_dir).resolve())
    if given.what == "speed":
        speed(where, given.dataset or "cifar10")
    elif given.what == "memory":
        memory(where, given.scenes)
    else:
        real(where, [given.dataset] if given.dataset else list(REAL))


if __name__ == "__main__":
    main()
