"""Features to FID against pytorch-fid's functions, and what an evaluation spends its time on.

python tests/bench/bench_evaluation.py [--rows 50000]
python tests/bench/bench_evaluation.py --model DIR --examples DIR [--extractor digits] [--samples N]

Figures are ratios within one run; processor seconds, which other work on the machine leaves alone,
stand beside those of the clock. Without pytorch-fid its two steps are done with its own calls:
np.mean and np.cov over all rows, and scipy.linalg.sqrtm of the product of the covariances.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

BATCH, DIM = 250, 2048
MODES = ("multi_threading", "multi_processing")


def feature_batches(rows: int, seed: int):
    """Yield float32[250,2048], correlated and with a mean, as network features are."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(64, DIM)).astype(np.float32)
    for _ in range(0, rows, BATCH):
        inner = rng.normal(0.1 * seed, 1, size=(BATCH, 64)).astype(np.float32)
        yield np.maximum(inner @ mix / 8 + rng.normal(size=(BATCH, DIM)).astype(np.float32), 0)


class Stopwatch:
    """Adds up the time of its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = self.cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.monotonic(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.monotonic() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def ours(rows: int) -> dict[str, float]:
    """Merge statistics batch by batch; the rows are never together in memory."""
    from components.metrics.frechet import frechet_distance
    from components.metrics.moments import Moments

    watch, sides = Stopwatch(), []
    for seed in (1, 2):
        merged = Moments.empty(DIM)
        for batch in feature_batches(rows, seed):
            with watch:
                merged = merged.extend(batch)
        sides.append(merged)
    with watch:
        value = frechet_distance(*sides)
    return {"fid": value, "seconds": watch.seconds, "cpu": watch.cpu}


def theirs(rows: int) -> dict[str, float]:
    """Collect all rows, then pytorch-fid's mean, covariance and distance."""
    try:
        from pytorch_fid.fid_score import calculate_frechet_distance as distance
    except ImportError:
        distance = _distance
    watch, sides = Stopwatch(), []
    for seed in (1, 2):
        features = np.empty((rows, DIM))
        for number, batch in enumerate(feature_batches(rows, seed)):
            features[number * BATCH : (number + 1) * BATCH] = batch
        with watch:
            sides += [np.mean(features, axis=0), np.cov(features, rowvar=False)]
    with watch:
        value = float(distance(*sides))
    return {"fid": value, "seconds": watch.seconds, "cpu": watch.cpu}


def _distance(mean_a, cov_a, mean_b, cov_b) -> float:
    import scipy.linalg

    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    delta = mean_a - mean_b
    return float(delta @ delta + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root).real)


def cpu() -> float:
    """Return the processor seconds of this process and of its workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def images(samples: int, workers: int, mode: int) -> dict[str, float]:
    """Evaluate a generator and write the report; time it, and its model and extractor alone.

    Alone they are called from as many threads as the evaluation has workers.
    """
    import apache_beam as beam

    from components.evaluator import report
    from components.evaluator.contract import Generator
    from components.evaluator.evaluate import evaluate
    from components.evaluator.settings import Evaluation
    from components.metrics import extractors
    from components.reference.measure import measure
    from components.reference.settings import ReferenceSettings

    folder, name = Path(os.environ["BENCH_FOLDER"]), os.environ["BENCH_EXTRACTOR"]
    model, examples, reference = (str(folder / part) for part in ("model", "examples", "real"))
    arguments = ["--runner=FnApiRunner", "--sdk_container_image=none"]
    settings = Evaluation(extractor=name, samples=samples)
    if not (folder / "real").exists():
        about = ReferenceSettings.of(settings)
        measure(examples, about, lambda: beam.Pipeline(argv=arguments), reference)
    if workers > 1:
        arguments += [f"--direct_num_workers={workers}", f"--direct_running_mode={MODES[mode]}"]
    generator, extractor = Generator(model), extractors.load(name)
    seeds = np.arange(BATCH)

    def compute(count: int) -> None:
        with ThreadPoolExecutor(workers) as threads:
            batch = lambda start: extractor(generator(seeds + start, seeds % 10))  # noqa: E731
            list(threads.map(batch, range(0, count, BATCH)))

    compute(BATCH)
    found = {}
    # Twice: what else runs on the machine changes in between.
    for number in range(2):
        began = time.monotonic(), cpu()
        compute(samples)
        found[f"compute_{number}"] = time.monotonic() - began[0]
        found[f"compute_cpu_{number}"] = cpu() - began[1]
        if number == 0:
            began = time.monotonic(), cpu()
            scratch = str(folder / f"scratch-{workers}-{mode}")
            make = lambda: beam.Pipeline(argv=arguments)  # noqa: E731
            result = evaluate(model, examples, settings, make, scratch, reference)
            report.write(result, str(folder / f"report-{workers}-{mode}"))
            found["seconds"], found["cpu"] = time.monotonic() - began[0], cpu() - began[1]
    return found


def main() -> None:
    """Run the parts, each in a process of its own so that its peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--model", help="SavedModel to evaluate")
    parser.add_argument("--examples", help="Examples artifact of its data")
    parser.add_argument("--extractor", default="digits", help="the extractor of these data")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        name, *numbers = given.part.split(":")
        found = {"ours": ours, "theirs": theirs, "images": images}[name](*map(int, numbers))
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    if given.model and given.examples:
        report_images(given.samples, given.model, given.examples, given.extractor)
    else:
        report_fid(given.rows)


def part(spec: str, **environment: str) -> dict[str, float]:
    """Run one part in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", spec],
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def report_fid(rows: int) -> None:
    """Print both sides' figure, seconds and peak memory, at `rows` and at a fifth of them."""
    few, mine = part(f"ours:{rows // 5}"), part(f"ours:{rows}")
    other = part(f"theirs:{rows}")
    relative = abs(mine["fid"] - other["fid"]) / abs(other["fid"])
    print(f"{rows:,} x {DIM} features on each side")
    for name, found in (("ours", mine), ("pytorch-fid", other)):
        print(
            f"  {name:12} {found['seconds']:7.1f} s, {found['cpu']:7.1f} s of processor  "
            f"{found['peak_mb']:7.0f} MB  {found['fid']:.9f}"
        )
    ratios = [other[clock] / mine[clock] for clock in ("seconds", "cpu")]
    print(f"  relative difference {relative:.1e}, {ratios[0]:.2f} times as fast", end="")
    print(f", {ratios[1]:.2f} times by processor seconds")
    print(f"  ours at {rows // 5:,} rows: {few['peak_mb']:.0f} MB")


def report_images(samples: int, model: str, examples: str, extractor: str) -> None:
    """Print the whole evaluation's rate and the share that is model and extractor, per worker."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model").symlink_to(Path(model).resolve())
        (Path(folder) / "examples").symlink_to(Path(examples).resolve())
        for workers, mode, name in ((1, 0, "1 worker"), (2, 0, "2 threads"), (2, 1, "2 processes")):
            spec = f"images:{samples}:{workers}:{mode}"
            found = part(spec, BENCH_FOLDER=folder, BENCH_EXTRACTOR=extractor)
            print(f"{name}, {samples / found['seconds']:.0f} images/s")
            for clock, whole in (("compute", "seconds"), ("compute_cpu", "cpu")):
                alone = (found[f"{clock}_0"] + found[f"{clock}_1"]) / 2
                unit = "s of processor" if whole == "cpu" else "s"
                print(
                    f"  {found[whole]:.1f} {unit}, model and extractor alone {alone:.1f}: "
                    f"{alone / found[whole]:.0%} of it"
                )


if __name__ == "__main__":
    main()
