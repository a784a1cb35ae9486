"""Batch prediction through Beam: a SavedModel renders or captions chunk after chunk to files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.utils.shared import Shared

from serving import batch_plan, wire
from serving.batch_plan import Item, Plan
from serving.errors import ServingError
from serving.files import write_whole
from serving.refusal import about_image, words

SIGNATURES = {"generate": "generate_png", "caption": "caption"}
"""The signature that does a task."""


def run(plan: Plan, todo: Iterable[int], saved_model: Path, out: Path, args: Sequence[str]) -> None:
    """Make the chunks `todo`; each is complete on disk, or not there, whenever this ends.

    Args:
      plan: The job, opened by `batch_plan.begin`.
      todo: Numbers of chunks.
      saved_model: The version's folder; every worker must see it and `out` under these paths.
      out: The job's folder.
      args: Beam pipeline options.
    """
    chunks = plan.chunks()
    work = [(number, chunks[number]) for number in todo]
    with beam.Pipeline(options=PipelineOptions(list(args))) as pipeline:
        (
            pipeline
            | "Chunks" >> beam.Create(work)
            | "Spread" >> beam.Reshuffle()
            | "Make" >> beam.ParDo(MakeChunk(plan.task, str(saved_model), str(out)))
        )


def inputs_of(saved_model: Path, task: str) -> set[str]:
    """Return the names of the inputs of the signature that does a task.

    Raises:
      ServingError: The model has no such signature, or no readable saved_model.pb.
    """
    from google.protobuf.message import DecodeError

    file, kind = saved_model / "saved_model.pb", wire.message("SavedModel", "tensorflow.")
    try:
        graph = kind.FromString(file.read_bytes()).meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        raise ServingError(f"{file} cannot be read: {error}") from None
    if SIGNATURES[task] not in graph.signature_def:
        known = ", ".join(sorted(n for n in graph.signature_def if not n.startswith("__")))
        raise ServingError(
            f"to {task}, a model needs the signature '{SIGNATURES[task]}'; {saved_model} has: "
            f"{known}"
        )
    return set(graph.signature_def[SIGNATURES[task]].inputs)


class MakeChunk(beam.DoFn):
    """Answers a chunk's items in one call, writes the files, then marks the chunk complete."""

    def __init__(self, task: str, saved_model: str, out: str) -> None:
        self._task, self._saved_model, self._out = task, saved_model, out
        self._shared = Shared()
        self._model: Any = None

    def setup(self) -> None:
        """Load the model, once per process."""
        import tensorflow as tf

        self._model = self._shared.acquire(lambda: tf.saved_model.load(self._saved_model))

    def process(self, element: tuple[int, list[Item]]) -> Iterator[int]:
        """Make one chunk; yields its number."""
        number, items = element
        function = self._model.signatures[SIGNATURES[self._task]]
        rows = (_captions if self._task == "caption" else _images)(function, items, Path(self._out))
        batch_plan.write_part(Path(self._out), number, rows)
        yield number


def _images(function: Any, items: list[Item], out: Path) -> list[Item]:
    import tensorflow as tf

    given = {key: tf.constant([item[key] for item in items], tf.int64) for key in items[0]}
    pngs = function(**given)["png"].numpy()
    rows: list[Item] = []
    for item, png in zip(items, pngs, strict=True):
        path = Path("images", image_name(item))
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(out / path, png)
        rows.append({"image": str(path), **item})
    return rows


def image_name(item: Item) -> str:
    """Return where an image goes below `images`: a folder per label, the seed as name."""
    folder = f"label-{item['label']}/" if "label" in item else ""
    return f"{folder}seed-{item['seed']}.png"


def _captions(function: Any, items: list[Item], out: Path) -> list[Item]:
    """Caption a chunk; one by one if the model refuses it: a bad file costs only itself."""
    import tensorflow as tf

    try:
        data = [Path(item["file"]).read_bytes() for item in items]
        answer = function(image_bytes=tf.constant(data))
    except (tf.errors.OpError, OSError) as error:
        if len(items) > 1:
            return [row for item in items for row in _captions(function, [item], out)]
        text = getattr(error, "message", None) or str(error)
        return [{**items[0], "error": (about_image(text) or words(text))[:300]}]
    told = zip(items, answer["caption"].numpy(), answer["log_prob"].numpy(), strict=True)
    return [{**item, "caption": c.decode(), "log_prob": float(p)} for item, c, p in told]
