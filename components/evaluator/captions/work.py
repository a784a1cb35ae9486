"""Beam work of a caption evaluation: pair images with captions, ask the model, gather rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.utils.shared import Shared

from components.collect import write_json
from components.evaluator.captions.contract import Captioner
from components.evaluator.captions.examples import read_file
from components.evaluator.contract import ContractError
from trainer.progress import Progress

FAULTS, ROWS, TRAIN = "faults", "rows", "train"
OWN = -1
"""Place of an image among those of its item; foreign ones count from 0."""

_models: dict[str, Captioner] = {}
_progress: list[Progress] = []


@contextlib.contextmanager
def at_hand(model_path: str, model: Captioner, progress: Progress) -> Iterator[None]:
    """Lend a loaded model and a progress line to Beam while it runs in this very process.

    Loading takes longer than captioning a hundred images; other processes load for themselves.
    """
    _models[model_path] = model
    _progress.append(progress)
    try:
        yield
    finally:
        _models.clear()
        _progress.clear()


class SendImages(beam.DoFn):
    """Sends each image of a file to the items that need it: its own, and those it is foreign to."""

    def __init__(self, foreign: Mapping[str, Sequence[str]]) -> None:
        self._needs: dict[str, list[tuple[str, int]]] = {name: [(name, OWN)] for name in foreign}
        for name, others in foreign.items():
            for number, other in enumerate(others):
                self._needs[other].append((name, number))

    def process(self, file: str) -> Iterator[tuple[str, tuple[int, bytes]]]:
        """Yield (item, (place, encoded image))."""
        for item, image in read_file(file):
            for name, place in self._needs.get(item.id, ()):
                yield name, (place, image)


class AskModel(beam.DoFn):
    """Captions images and scores references; what the model does wrong goes to `FAULTS`."""

    def __init__(
        self, model_path: str, references: Mapping[str, Sequence[str]], batch_size: int
    ) -> None:
        self._path, self._references, self._batch_size = model_path, references, batch_size
        self._shared = Shared()

    def setup(self) -> None:
        """Load the model, once per process."""
        self._model = self._shared.acquire(lambda: _models.get(self._path) or Captioner(self._path))

    def process(self, batch: Sequence[tuple[str, Iterable[tuple[int, bytes]]]]) -> Iterator[Any]:
        """Yield one row per item: id, caption, log_prob, and losses and words per reference."""
        items = [(name, dict(images)) for name, images in batch]
        ids = [name for name, _ in items]
        try:
            captions, log_probs = self._model.caption(ids, [images[OWN] for _, images in items])
            scored = self._score([pair for item in items for pair in self._pairs(*item)])
        except ContractError as fault:
            yield beam.pvalue.TaggedOutput(FAULTS, str(fault))
            return
        for name, caption, log_prob in zip(ids, captions, log_probs.tolist(), strict=True):
            yield {"id": name, "caption": caption, "log_prob": log_prob, **scored[name]}
        for line in _progress:
            line.update(len(ids))

    def _pairs(
        self, name: str, images: Mapping[int, bytes]
    ) -> Iterator[tuple[str, str, bytes, str]]:
        """Yield (item, "right" or "foreign", image, caption) for every loss that is wanted."""
        references = self._references[name]
        for reference in references:
            yield name, "right", images[OWN], reference
        for place in range(len(images) - 1):
            yield name, "foreign", images[place], references[place % len(references)]

    def _score(
        self, pairs: Sequence[tuple[str, str, bytes, str]]
    ) -> dict[str, dict[str, list[float]]]:
        """Return item -> {"right": nats, "right_words": ..., "foreign": nats, "foreign_words"}."""
        keys = ("right", "right_words", "foreign", "foreign_words")
        found: dict[str, dict[str, list[float]]] = {}
        for start in range(0, len(pairs), self._batch_size):
            ids, kinds, images, captions = zip(
                *pairs[start : start + self._batch_size], strict=True
            )
            losses, words = self._model.score(ids, images, captions)
            for name, kind, loss, count in zip(
                ids, kinds, losses.tolist(), words.tolist(), strict=True
            ):
                row = found.setdefault(name, {key: [] for key in keys})
                row[kind].append(loss)
                row[f"{kind}_words"].append(count)
        return found


def caption_all(
    pipeline: Any,
    files: Sequence[str],
    model_path: str,
    references: Mapping[str, Sequence[str]],
    foreign: Mapping[str, Sequence[str]],
    folder: str,
    batch_size: int,
) -> None:
    """Add to a pipeline: caption and score the items of `references`, rows into `folder`.

    Args:
      pipeline: Beam pipeline.
      files: Shards that hold the items.
      model_path: SavedModel.
      references: Item -> its captions, as stored.
      foreign: Item -> other items whose images are tried with its captions.
      folder: Where `ROWS` and `FAULTS` are written as JSON.
      batch_size: Images per call of the model.
    """
    asked = (
        pipeline
        | "Files" >> beam.Create(list(files), reshuffle=True)
        | "Images" >> beam.ParDo(SendImages(foreign))
        | "Pair" >> beam.GroupByKey()
        | "Batch" >> beam.BatchElements(min_batch_size=batch_size, max_batch_size=batch_size)
        | "Ask"
        >> beam.ParDo(AskModel(model_path, references, batch_size)).with_outputs(FAULTS, main=ROWS)
    )
    for name in (ROWS, FAULTS):
        write_json(asked[name], f"{folder}/{name}.json")


def read_train(pipeline: Any, files: Sequence[str], folder: str) -> None:
    """Add to a pipeline: cut all training captions into words, item by item, into `folder`."""
    texts = (
        pipeline
        | "TrainFiles" >> beam.Create(list(files), reshuffle=True)
        | "TrainCaptions" >> beam.FlatMap(_train_captions)
    )
    write_json(texts, f"{folder}/{TRAIN}.json")


def _train_captions(file: str) -> Iterator[tuple[str, list[str]]]:
    for item, _ in read_file(file, images=False):
        yield item.id, list(item.references)
