"""Beam work of an evaluation: make or read images, extract features, merge statistics."""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import apache_beam as beam
import numpy as np
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.shared import Shared
from apache_beam.utils.windowed_value import WindowedValue

from components.collect import write_json
from components.evaluator import parts
from components.evaluator.contract import ContractError, Generator
from components.evaluator.examples import read_batches
from components.evaluator.images import Images
from components.metrics import extractors
from components.metrics.combine import MomentsCombineFn
from components.metrics.evidence import GROUPS, group_of
from components.metrics.moments import Moments
from trainer.progress import Progress

FAULTS = "faults"
Source = Generator | Images
"""What answers seeds with images."""

_loaded: dict[str, Any] = {}
_progress: list[Progress] = []


@contextlib.contextmanager
def at_hand(loaded: Mapping[str, Any], progress: Progress | None = None) -> Iterator[None]:
    """Lend models, by path, and extractors, by name, to Beam while it runs in this very process.

    Loading takes as long as some hundred images; other processes load for themselves. Images are
    counted on the progress line here; elsewhere nothing is counted.
    """
    _loaded.update(loaded)
    _progress[:] = [] if progress is None else [progress]
    try:
        yield
    finally:
        _loaded.clear()
        _progress.clear()


def _acquire(name: str, shared: Shared, load: Callable[[str], Any]) -> Any:
    return _loaded[name] if name in _loaded else shared.acquire(lambda: load(name))


class _Embed(beam.DoFn):
    """Loads the extractor once per process and turns images into rows and statistics."""

    def __init__(self, extractor: str, folder: str) -> None:
        self._name, self._folder, self._shared = extractor, folder, Shared()

    def setup(self) -> None:
        self._extractor = _acquire(self._name, self._shared, extractors.load)

    def start_bundle(self) -> None:
        self._groups: dict[int, Moments] = {}

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """Yield each group's statistics once: D x D numbers are too many to send per batch."""
        for key, moments in self._groups.items():
            yield GlobalWindows.windowed_value((key, moments))

    def embed(
        self, name: str, ids: np.ndarray, labels: np.ndarray, images: np.ndarray, keys: np.ndarray
    ) -> None:
        """Write the rows of some images; add them to the statistics of their groups."""
        features, probabilities = self._extractor(images)
        digests = np.array([hash64(image.tobytes()) for image in images], np.uint64)
        parts.write(
            self._folder,
            f"rows-{name}",
            ids=ids,
            labels=labels,
            features=features,
            probabilities=probabilities,
            digests=digests,
        )
        for key in np.unique(keys).tolist():
            known = self._groups.get(key, Moments.empty(features.shape[1]))
            self._groups[key] = known.extend(features[keys == key])
        for line in _progress:
            line.update(len(images))


class EmbedSamples(_Embed):
    """Generates the images of a range of seeds; what the model does wrong goes to `FAULTS`."""

    def __init__(
        self,
        open_model: Callable[[str], Source],
        model_path: str,
        classes: int,
        extractor: str,
        folder: str,
        seeds: range,
    ) -> None:
        super().__init__(extractor, folder)
        self._open, self._path = open_model, model_path
        self._classes, self._model = classes, Shared()
        self._seeds = seeds

    def setup(self) -> None:
        """Load extractor and model, once per process."""
        super().setup()
        self._generator = _acquire(self._path, self._model, self._open)

    def process(self, seeds: tuple[int, int]) -> Iterator[Any]:
        """Generate and embed seeds from first to last, the last one excluded."""
        ids = np.arange(*seeds, dtype=np.int64)
        labels = self._generator.labels(ids, self._classes)
        try:
            images = self._generator(ids, labels)
        except ContractError as fault:
            yield beam.pvalue.TaggedOutput(FAULTS, str(fault))
            return
        keys = group_of(ids - self._seeds.start, len(self._seeds))
        self.embed(f"{ids[0]:012d}", ids, labels, images, keys)


class EmbedStored(_Embed):
    """Reads and embeds one file of stored examples."""

    def __init__(self, extractor: str, folder: str, batch_size: int) -> None:
        super().__init__(extractor, folder)
        self._batch_size = batch_size

    def process(self, file: str) -> None:
        """Embed every example of the file."""
        for number, (ids, labels, images) in enumerate(read_batches(file, self._batch_size)):
            keys = np.array([hash64(name.encode()) % GROUPS for name in ids.tolist()])
            name = f"{posixpath.basename(file)}-{number:06d}"
            self.embed(name, ids, labels, images, keys)


def sample(
    pipeline: Any,
    open_model: Callable[[str], Source],
    model_path: str,
    classes: int,
    extractor: str,
    folder: str,
    seeds: range,
    batch_size: int,
) -> None:
    """Add to a pipeline: generate `seeds`, write rows, statistics and faults into `folder`."""
    ranges = [(at, min(at + batch_size, seeds.stop)) for at in seeds[::batch_size]]
    done = (
        pipeline
        | "Seeds" >> beam.Create(ranges, reshuffle=True)
        | "Generate"
        >> beam.ParDo(
            EmbedSamples(open_model, model_path, classes, extractor, folder, seeds)
        ).with_outputs(FAULTS, main="moments")
    )
    _write_groups(done.moments, folder)
    write_json(done[FAULTS], posixpath.join(folder, f"{FAULTS}.json"))


def embed_stored(
    pipeline: Any, label: str, files: list[str], extractor: str, folder: str, batch_size: int
) -> None:
    """Add to a pipeline: embed all examples of `files` into `folder`."""
    moments = (
        pipeline
        | f"Files[{label}]" >> beam.Create(files, reshuffle=True)
        | f"Embed[{label}]" >> beam.ParDo(EmbedStored(extractor, folder, batch_size))
    )
    _write_groups(moments, folder, f"[{label}]")


def _write_groups(moments: Any, folder: str, label: str = "") -> None:
    _ = (
        moments
        | f"Merge{label}" >> beam.CombinePerKey(MomentsCombineFn())
        | f"Store{label}" >> beam.Map(_write_group, folder)
    )


def _write_group(item: tuple[int, Moments], folder: str) -> None:
    key, moments = item
    n = np.asarray(moments.n)
    parts.write(folder, f"group-{key:03d}", n=n, mean=moments.mean, m2=moments.m2)


def hash64(content: bytes) -> int:
    """Hash bytes to 64 bits, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
