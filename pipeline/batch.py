"""`genvision batch`: choose model and items, then render or caption through Beam to files."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from components import datasets
from pipeline import config, signals
from pipeline.ask import choose
from pipeline.console import quiet
from pipeline.generate import check_labels
from pipeline.nodes import IN_MEMORY_BEAM
from pipeline.operate import Place
from pipeline.paths import shown
from pipeline.recipe import ValueRecipe
from serving import batch_plan
from serving.batch_plan import Plan
from serving.deployment import Destination
from serving.errors import ServingError
from trainer import progress
from trainer.errors import Interrupted, UserError
from trainer.progress import Progress

GOES_ON = "terminated; finished chunks are kept, the same command goes on from them"

LOOK_S = 0.25
"""How often finished chunks are counted for the progress line."""


def run_batch(
    place: Place,
    *,
    out: str,
    version: str | None,
    images: str | None,
    labels: tuple[int, ...],
    count: int,
    seed: int,
    chunk: int,
) -> str:
    """Make a batch job, or go on with it.

    Args:
      place: Whose pushed model.
      out: Folder for files and manifest.
      version: A number or a label; None means that of the job in `out`, if it goes on; else
        `stable`, or the newest if nothing is stable.
      images: Folder of images to caption; None generates images.
      labels: Classes to draw; empty draws all that the data set has.
      count: Images per class.
      seed: First seed.
      chunk: Items per call of the model.

    Returns:
      A sentence that says what was made.

    Raises:
      UserError, ServingError: No such version or label, nothing to caption, too many images,
        another job in `out`, or a recipe of numbers.
    """
    if isinstance(config.load(place.recipe), ValueRecipe):
        raise UserError(
            f"'{place.recipe}' makes single numbers, and batch writes images or captions: for any "
            f"count of numbers in one CSV, genvision generate --recipe {place.recipe} --count 10000"
        )
    to = place.destination()
    target = Path(out).resolve()
    number = _version(to, version, target)
    folder = to.versions()[number]
    drawn = () if images else _labels(place.recipe, labels)
    plan = _plan(
        Plan(to.model, number, "generate", seed, count, drawn, chunk=chunk), images, folder
    )
    with batch_plan.held(target):
        todo = batch_plan.begin(plan, target)
        if todo:
            _make(plan, todo, folder, target, config.load(place.recipe).beam.args or IN_MEMORY_BEAM)
        rows = batch_plan.end(target)
    failed = sum("error" in row for row in rows)
    kind = "captions" if images else "images"
    bad = f", {failed} could not be read (their rows say why)" if failed else ""
    where = shown(target / batch_plan.MANIFEST)
    return f"{len(rows) - failed} {kind} by '{to.model}' version {number}{bad}: {where}"


def _plan(generate: Plan, images: str | None, folder: Path) -> Plan:
    """Fit a plan to what the model can do: captions of `images`, or images without labels."""
    source = Path(images).resolve() if images else None
    files = batch_plan.image_files(source) if source else []
    # Imported here: Beam takes seconds, and what can be refused without it has been.
    with quiet():
        from serving import batch

        asked = batch.inputs_of(folder, "caption" if source else "generate")
    if source:
        plan = replace(generate, task="caption", seed=0, count=0, labels=())
        return replace(plan, images=str(source), digest=batch_plan.digest(files))
    return generate if "label" in asked else replace(generate, labels=())


def _make(plan: Plan, todo: list[int], folder: Path, out: Path, args: tuple[str, ...]) -> None:
    from serving import batch

    try:
        with _terminal(), _progress(plan, out), quiet():
            batch.run(plan, todo, folder, out, args)
    except Exception as error:
        # Beam makes whatever interrupts it into an error of the step that was under way.
        cause = _behind(error)
        if cause is error:
            raise
        raise cause from None


def _behind(error: BaseException) -> BaseException:
    """Return the interruption, or what a person can mend, that an error came from; else itself."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, Interrupted):
            return Interrupted(cause.signal_number, GOES_ON)
        if isinstance(cause, KeyboardInterrupt | ServingError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return error


@contextlib.contextmanager
def _terminal() -> Iterator[None]:
    """Send progress lines to standard error as it is now, before libraries are made quiet."""
    with os.fdopen(os.dup(2), "w") as stream:
        progress.set_stream(stream)
        try:
            yield
        finally:
            progress.set_stream(None)


@contextlib.contextmanager
def _progress(plan: Plan, out: Path) -> Iterator[None]:
    """Show a progress line; workers may be other processes, so finished chunks are counted."""
    sizes = [len(items) for items in plan.chunks()]

    def done() -> int:
        return sum(sizes[number] for number in batch_plan.finished(out))

    stop = threading.Event()
    with Progress(plan.task, sum(sizes), "item", done()) as line:
        seen = done()

        def look() -> None:
            nonlocal seen
            now = done()
            line.update(now - seen)
            seen = now

        def watch() -> None:
            while not stop.wait(LOOK_S):
                look()
                signals.remind()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
            look()


def _version(to: Destination, wanted: str | None, out: Path) -> int:
    """Return the version to ask; if none is named, that of the job in `out` if still there."""
    job = batch_plan.begun(out)
    if wanted is None and job.get("model") == to.model and job.get("version") in to.versions():
        return int(job["version"])
    return choose(to, wanted)


def _labels(recipe: str, labels: tuple[int, ...]) -> tuple[int, ...]:
    names = datasets.get(config.load(recipe).data.dataset).label_names
    return check_labels(recipe, labels, names) or tuple(range(len(names)))
