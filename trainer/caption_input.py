"""From example files to batches of photographs and token rows; every photograph is decoded once.

Pixels lie in an unnamed temporary file that the system caches as memory allows, so a data set
larger than memory trains as well as a small one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from trainer import features, photos
from trainer.caption_settings import CaptionData
from trainer.errors import UserError
from trainer.preprocessing import PAD, UNKNOWN, encode, lookup

READ_AT_ONCE = 64
SHOWN = 12
"""Images kept for people to look at."""

_STRINGS = tf.TensorSpec([None], tf.string)
MOST_UNKNOWN = 0.5
"""Share of unknown words above which a vocabulary must have come from other data."""


class Captioned(NamedTuple):
    """A split, ready to learn from.

    Attributes:
      seen: uint8[N,S,S,3] images, or float16[N,h,w,C], what a frozen encoder sees of them.
      shown: uint8[M,S,S,3], the first images, for people.
      rows: int32[N,C,L], captions as token rows; rows of padding where an image has fewer than C.
      counts: int32[N], captions of each image.
    """

    seen: np.ndarray
    shown: np.ndarray
    rows: np.ndarray
    counts: np.ndarray


def load(
    patterns: Sequence[str],
    data: CaptionData,
    side: int,
    vocabulary: Sequence[str],
    limit: int | None = None,
    grid: tuple[int, int, int] | None = None,
) -> Captioned:
    """Read, fit and tokenise all examples that match `patterns`, in file order.

    Args:
      patterns: File patterns of gzip TFRecord files of tf.Example.
      data: Length of the token rows.
      side: S.
      vocabulary: Words, as Transform wrote them.
      limit: Examples to read at most; None: all.
      grid: Shape of the cached features, if these are to be learned from and not the images.

    Raises:
      UserError: No example, one without captions, one whose image cannot be read, or a vocabulary
        that belongs to other data.
    """
    table = lookup(vocabulary)
    read = tf.function(lambda encoded: photos.try_read(encoded, side), input_signature=[_STRINGS])
    rows, counts, shown = [], [], []
    store = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the map into it
    for position, batch in _batches(patterns, limit, grid is not None):
        wanted = batch[features.IMAGE][: max(0, SHOWN - position) if grid else None]
        images, status = read(tf.constant(wanted, tf.string, [len(wanted)]))
        _check_items(data, batch, status.numpy(), position)
        shown.append(images.numpy()[: max(0, SHOWN - position)])
        store.write(b"".join(batch[features.GRID]) if grid else images.numpy().tobytes())
        captions = tf.ragged.constant(batch[features.CAPTIONS], dtype=tf.string)
        tokens = encode(captions.flat_values, table.lookup, data.length)
        rows.append(captions.with_values(tokens).to_tensor(PAD).numpy().astype(np.int32))
        counts.append(captions.row_lengths().numpy().astype(np.int32))
    if not rows:
        raise UserError(f"data set '{data.dataset}' has no examples in {list(patterns)}")
    store.flush()
    most = max(part.shape[1] for part in rows)
    padded = [np.pad(part, ((0, 0), (0, most - part.shape[1]), (0, 0))) for part in rows]
    every = np.concatenate(padded)
    _check_vocabulary(data, every)
    kind, shape = (np.float16, grid) if grid else (np.uint8, (side, side, 3))
    seen = np.memmap(store, kind, "r", shape=(len(every), *shape))
    return Captioned(seen, np.concatenate(shown), every, np.concatenate(counts))


def batches(
    split: Captioned, batch_size: int, captions: int, seed: int, skip: int = 0
) -> tf.data.Dataset:
    """Endless shuffled batches: images or cached features, [B,...], and int32[B,captions,L].

    In every epoch an image comes once, with `captions` of its sentences that follow one another
    from a place drawn by (seed, epoch, image); an image with fewer repeats some. A resumed run
    continues the order exactly.

    Args:
      split: All examples.
      batch_size: B; must not exceed the number of examples.
      captions: Sentences per image.
      seed: Seed of order and draw.
      skip: Batches already consumed.

    Raises:
      UserError: The batch is larger than the data.
    """
    total = len(split.counts)
    if batch_size > total:
        raise UserError(
            f"train.batch_size is {batch_size} and there are only {total} training examples: "
            "lower it"
        )
    rows, counts = tf.constant(split.rows), tf.constant(split.counts)
    epoch, within = divmod(skip * batch_size, total)

    def order(number: tf.Tensor) -> tf.data.Dataset:
        pair = tf.stack([tf.constant(seed, tf.int64), number])
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(total), pair)
        drawn = tf.random.stateless_uniform([total], tf.stack([pair[0] + 1, number]))
        return tf.data.Dataset.from_tensor_slices((shuffled, drawn))

    def gather(index: tf.Tensor, drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.gather(counts, index)
        first = tf.cast(drawn * tf.cast(count, tf.float32), tf.int32)
        chosen = (first[:, None] + tf.range(captions)) % count[:, None]
        kind = tf.as_dtype(split.seen.dtype)
        seen = tf.numpy_function(split.seen.__getitem__, [index], kind, stateful=False)
        seen = tf.ensure_shape(seen, [batch_size, *split.seen.shape[1:]])
        return seen, tf.gather(tf.gather(rows, index), chosen, batch_dims=1)

    return (
        tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
        .flat_map(order)
        .skip(within)
        .batch(batch_size, drop_remainder=True)
        .map(gather)
        .prefetch(4)
    )


def _batches(
    patterns: Sequence[str], limit: int | None, cached: bool
) -> Iterator[tuple[int, dict[str, list[Any]]]]:
    """Yield the position of a batch's first example and the batch's values."""
    files = sorted(f for pattern in patterns for f in tf.io.gfile.glob(pattern))
    spec = {
        features.ID: tf.io.FixedLenFeature([], tf.string, ""),
        features.IMAGE: tf.io.FixedLenFeature([], tf.string),
        features.CAPTIONS: tf.io.RaggedFeature(tf.string),
    }
    if cached:
        spec[features.GRID] = tf.io.FixedLenFeature([], tf.string)
    records = tf.data.TFRecordDataset(files, "GZIP").take(limit or -1).batch(READ_AT_ONCE)
    position = 0
    for batch in records:
        parsed = tf.io.parse_example(batch, spec)
        values = {
            key: value.to_list() if key == features.CAPTIONS else value.numpy().tolist()
            for key, value in parsed.items()
        }
        yield position, values
        position += len(values[features.ID])


def _check_items(
    data: CaptionData, batch: dict[str, list[Any]], status: np.ndarray, position: int
) -> None:
    for n, captions in enumerate(batch[features.CAPTIONS]):
        trouble = "" if captions else "it has no captions"
        if n < len(status) and status[n]:
            trouble = f"its image {photos.REASONS[status[n]]}"
        if trouble:
            name = batch[features.ID][n].decode("utf-8", "replace")
            raise UserError(
                f"data set '{data.dataset}', example {position + n} ('{name}'): {trouble}: "
                "mend or remove it"
            )


def _check_vocabulary(data: CaptionData, rows: np.ndarray) -> None:
    spoken = rows > UNKNOWN
    unknown = rows == UNKNOWN
    share = unknown.sum() / max(1, spoken.sum() + unknown.sum())
    if share > MOST_UNKNOWN:
        raise UserError(
            f"{share:.0%} of the words in the captions of '{data.dataset}' are not in the "
            "vocabulary: it belongs to another run, or captions.min_count is too high; run the "
            "Transform node again on these examples"
        )
