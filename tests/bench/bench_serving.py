"""Throughput and latency of the model server beside calling the SavedModel in this process.

Run:  python tests/bench/bench_serving.py MODEL_DIR   (a SavedModel of digits_cgan, or a captioner)

Server and clients are processes of their own, so that all share the machine as they would in use.
Each pair of figures is measured in turns within one run: the ratios hold on a busy machine, the
figures alone do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import grpc
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from serving import wire  # noqa: E402

MODEL = "digits"
OUTPUTS = {"generate": "image", "caption": "caption"}
"""What is read of an answer, by the signature that is asked."""

CLIENTS = (1, 8, 32)
ROUNDS = 3
"""Turns of each pair: the machine's speed changes from one second to the next."""
Call = Callable[[int], object]


class Window:
    """Which answers count: those of `seconds` that begin when every client has had one.

    Counting from the first question to the last answer would flatter slow calls, whose last
    answers come long after the end.
    """

    def __init__(self, clients: int, seconds: float) -> None:
        self._first, self._seconds = set(range(clients)), seconds
        self._until: float | None = None
        self.times: list[float] = []

    def is_open(self) -> bool:
        """Return whether clients go on asking."""
        return self._until is None or time.perf_counter() < self._until

    def answered(self, client: int, start: float) -> None:
        """Note that a client's call, begun at `start`, was answered now."""
        now = time.perf_counter()
        if self._until is not None:
            if now <= self._until:
                self.times.append(now - start)
            return
        self._first.discard(client)
        if not self._first:
            self._until = now + self._seconds


def timed(call: Call, threads: int, seconds: float) -> list[float]:
    """Call from `threads` threads; return how long each call of `seconds` took, in seconds."""
    window = Window(threads, seconds)

    def ask(number: int) -> None:
        asked = number
        while window.is_open():
            start = time.perf_counter()
            call(asked)
            window.answered(number, start)
            asked += threads

    workers = [threading.Thread(target=ask, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return window.times


def figures(times: list[float], seconds: float) -> dict[str, float]:
    """Return calls per second and percentiles in milliseconds."""
    p50, p95, p99 = np.percentile(times, [50, 95, 99]) * 1e3
    return {"per_s": len(times) / seconds, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def signature_of(folder: Path) -> str:
    """Return what a SavedModel is asked for: captions if it writes them, else images."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return "caption" if "caption" in model.meta_graphs[0].signature_def else "generate"


@functools.cache
def _photographs() -> list[bytes]:
    """Render some scenes, PNG each."""
    from components.datasets.scene_world import draw_lots, encode

    return [encode(draw_lots(np.random.default_rng(number))) for number in range(64)]


def _inputs(signature: str, first: int, batch: int) -> dict[str, np.ndarray]:
    if signature == "caption":
        shown = _photographs()
        chosen = [shown[(first + number) % len(shown)] for number in range(batch)]
        return {"image_bytes": np.array(chosen, np.object_)}
    seeds = np.arange(first, first + batch, dtype=np.int64)
    return {"seed": seeds, "label": seeds % 10}


def in_process(folder: Path, jobs: list[tuple[int, int, float]], pipe) -> None:  # type: ignore[no-untyped-def]
    """Time the SavedModel itself; a job is (batch, threads, seconds), each started by a message."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder))
    signature = signature_of(folder)
    run = model.signatures[signature]

    def ask(batch: int) -> Call:
        def call(first: int) -> object:
            tensors = {k: tf.constant(v) for k, v in _inputs(signature, first, batch).items()}
            return run(**tensors)[OUTPUTS[signature]].numpy()

        return call

    ask(1)(0), ask(16)(0)
    for batch, threads, seconds in jobs:
        pipe.recv()
        pipe.send(timed(ask(batch), threads, seconds))


def over_grpc(target: str, load: tuple[str, int, int, float], pipe) -> None:  # type: ignore[no-untyped-def]
    """Time a server: each client writes its requests and reads the pixels out of the answers.

    All clients share one thread: threads would fight over the interpreter and be what is measured.
    """
    pipe.send(asyncio.run(_ask(target, *load)))


async def _ask(
    target: str, signature: str, batch: int, clients: int, seconds: float
) -> list[float]:
    window = Window(clients, seconds)
    async with grpc.aio.insecure_channel(
        target, options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=wire.message("PredictRequest").SerializeToString,
            response_deserializer=wire.message("PredictResponse").FromString,
        )

        async def client(number: int) -> None:
            asked = number
            while window.is_open():
                start = time.perf_counter()
                request = wire.message("PredictRequest")()
                request.model_spec.name, request.model_spec.signature_name = MODEL, signature
                for alias, values in _inputs(signature, asked, batch).items():
                    wire.fill(request.inputs[alias], values)
                wire.array((await call(request)).outputs[OUTPUTS[signature]])
                window.answered(number, start)
                asked += clients

        await asyncio.gather(*(client(number) for number in range(clients)))
    return window.times


@contextlib.contextmanager
def serving(base: Path, *flags: str) -> Iterator[tuple[str, subprocess.Popen]]:
    """Run the embedded server on a free port; yield its address and its process."""
    command = [sys.executable, "-m", "serving.server", "--port=0", f"--model-name={MODEL}"]
    command += [f"--model-base-path={base}", "--file-system-poll-wait-seconds=0.2", *flags]
    child = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert child.stdout is not None
        yield child.stdout.readline().split()[-1], child
    finally:
        child.terminate()
        child.wait(timeout=30)


def measured(target: str, *load: Any) -> list[float]:
    """Run clients in a process of their own; return the time of each call, in seconds.

    Args:
      target: The server.
      *load: Signature, batch, clients, seconds.
    """
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=over_grpc, args=(target, load, theirs)
    )
    process.start()
    times = ours.recv()
    process.join()
    return times


@contextlib.contextmanager
def beside(base: Path, jobs: list[tuple[int, int, float]]) -> Iterator[Callable[[], list[float]]]:
    """Load the SavedModel in a process of its own; yield what measures there, job after job."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=in_process, args=(base / "1", jobs, theirs)
    )

    def next_job() -> list[float]:
        ours.send(None)
        return ours.recv()

    process.start()
    yield next_job
    process.join()


def compare(base: Path, seconds: float) -> dict[str, dict]:
    """Measure served against in-process calls, batch 1 and 16, with 1, 8 and 32 clients."""
    pairs = [(batch, threads) for batch in (1, 16) for threads in CLIENTS]
    jobs = [(*pair, seconds) for pair in pairs for _ in range(ROUNDS)]
    signature, result = signature_of(base / "1"), {}
    with serving(base) as (target, _), beside(base, jobs) as in_process_times:
        for batch, threads in pairs:
            times: dict[str, list[float]] = {"served": [], "in_process": []}
            for _ in range(ROUNDS):
                times["in_process"] += in_process_times()
                times["served"] += measured(target, signature, batch, threads, seconds)
            served, alone = (figures(each, ROUNDS * seconds) for each in times.values())
            ratio = served["per_s"] / alone["per_s"]
            name = f"batch {batch}, {threads} clients"
            result[name] = {"served": served, "in_process": alone, "ratio": ratio}
            print(f"{name}: {_row(served)} | in process {_row(alone)} | {ratio:.2f}", flush=True)
    return result


def batching(base: Path, seconds: float, clients: int = 32) -> dict[str, dict]:
    """Measure batch 1 with and without batching, in turns, and what batches bring the graph alone.

    No server can gain more than the graph does: in process, by as many threads as there are
    clients, or by one that asks for as many at once.
    """
    file = base.parent / "batching.config"
    # Two batches of half the clients: one runs while the other's answers and next requests travel.
    file.write_text(
        f"max_batch_size {{ value: {clients // 2} }} num_batch_threads {{ value: 2 }} "
        "batch_timeout_micros { value: 20000 }\n"
    )
    flags = ("--enable-batching", f"--batching-parameters-file={file}")
    times: dict[str, list[float]] = {"off": [], "on": [], "alone": [], "together": []}
    signature = signature_of(base / "1")
    jobs = [(1, clients, seconds), (clients, 1, seconds)] * ROUNDS
    with (
        serving(base) as (off, _),
        serving(base, *flags) as (on, _),
        beside(base, jobs) as in_process_times,
    ):
        for _ in range(ROUNDS):
            for name, target in (("off", off), ("on", on)):
                times[name] += measured(target, signature, 1, clients, seconds)
            times["alone"] += in_process_times()
            times["together"] += in_process_times()
    result: dict[str, dict] = {name: figures(t, ROUNDS * seconds) for name, t in times.items()}
    result["together"]["per_s"] *= clients
    ratio = result["on"]["per_s"] / result["off"]["per_s"]
    bound = result["together"]["per_s"] / result["alone"]["per_s"]
    for name in ("off", "on"):
        print(f"batching {name}, {clients} clients: {_row(result[name])}", flush=True)
    alone, together = (result[name]["per_s"] for name in ("alone", "together"))
    print(f"graph alone: {alone:.0f}/s one by one, {together:.0f}/s in batches of {clients}")
    print(f"batching on / off: {ratio:.2f}; of the graph alone {bound:.2f}", flush=True)
    return result | {"ratio": {"per_s": ratio, "graph": bound}}


def swaps(base: Path, requests: int, clients: int = 8) -> dict[str, object]:
    """Send requests while three versions are pushed and one is rolled back by deletion."""
    from serving.client import Client
    from serving.errors import RequestError

    outcomes: list[int | str] = []  # the version that answered, or what went wrong
    left, signature = iter(range(requests)), signature_of(base / "1")
    asked, answered = _inputs(signature, 0, 1), OUTPUTS[signature]
    with serving(base) as (target, child), Client(target, MODEL) as client:
        wanted = client.predict(signature, asked).outputs[answered]

        def ask() -> None:
            for _ in left:
                try:
                    answer = client.predict(signature, asked)
                except RequestError as error:
                    outcomes.append(str(error))
                    continue
                same = np.array_equal(answer.outputs[answered], wanted)
                outcomes.append(answer.version if same else "another answer")

        before = _resident(child.pid)
        workers = [threading.Thread(target=ask) for _ in range(clients)]
        for worker in workers:
            worker.start()
        for step, version in enumerate((2, 3, 4, None), 1):
            while len(outcomes) < requests * step // 5:
                time.sleep(0.01)
            if version:
                shutil.copytree(base / "1", base / f"tmp-{version}")
                (base / f"tmp-{version}").rename(base / str(version))
            else:
                shutil.rmtree(base / "4")
        for worker in workers:
            worker.join()
        after = _resident(child.pid)
    errors = [outcome for outcome in outcomes if isinstance(outcome, str)]
    versions = dict(sorted(Counter(o for o in outcomes if isinstance(o, int)).items()))
    print(
        f"{len(outcomes)} requests, {len(errors)} errors {errors[:3]}, by version {versions}; "
        f"resident {before:.0f} MiB before, {after:.0f} MiB after",
        flush=True,
    )
    return {"errors": len(errors), "versions": versions, "mib_before": before, "mib_after": after}


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _row(f: dict[str, float]) -> str:
    return "{per_s:.0f}/s p50 {p50_ms:.2f} p95 {p95_ms:.2f} p99 {p99_ms:.2f} ms".format(**f)


@click.command()
@click.argument("model_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seconds", default=2.0, show_default=True, help="Per figure.")
@click.option("--requests", default=10_000, show_default=True, help="While versions change.")
@click.option("--only", type=click.Choice(["compare", "batching", "swaps"]))
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def main(
    model_dir: Path, seconds: float, requests: int, only: str | None, out: Path | None
) -> None:
    """Measure a SavedModel served and in process."""
    parts = {
        "compare": lambda base: compare(base, seconds),
        "batching": lambda base: batching(base, seconds),
        "swaps": lambda base: swaps(base, requests),
    }
    result = {}
    for name, part in parts.items():
        if only in (None, name):
            with tempfile.TemporaryDirectory() as root:
                base = Path(root, MODEL)
                shutil.copytree(model_dir, base / "1")
                result[name] = part(base)
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
