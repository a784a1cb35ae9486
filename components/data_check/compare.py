"""Compares summaries: classes among themselves, splits with each other and with earlier ones.

A distance counts only beyond what chance does to samples of these sizes: three standard errors
for shares and means, and for new words the share that Good (1953, "The population frequencies of
species") expects unseen: words of one example alone over all examples' words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from components.data_check.anomaly import Anomaly
from components.data_check.settings import Checks, Kind
from components.data_check.summary import Summary, Tally, size, spread
from components.datasets.base import DatasetSpec
from trainer.features import CAPTIONS, IMAGE, LABEL, VALUE

CHANCE = 3.0
"""Standard errors that a difference may have by chance."""

ENOUGH = 20
"""Records per class from which on the balance of classes says something."""


def balance(spec: DatasetSpec, split: str, summary: Summary, checks: Checks) -> Iterator[Anomaly]:
    """Find classes that are absent or far smaller than the largest one."""
    if summary.records < ENOUGH * spec.num_classes or not spec.num_classes:
        return
    largest, (most, _) = max(summary.labels.items(), key=lambda item: (item[1][0], item[0]))
    for index, name in enumerate(spec.label_names):
        count, first = summary.labels.get(str(index), (0, ""))
        if count * checks.class_ratio < most:
            yield Anomaly(
                "balance",
                LABEL,
                split,
                count,
                summary.records,
                f"of class {index} ('{name}'), more than {checks.class_ratio:g} times rarer than "
                f"class {largest} with {most:,}",
                first or summary.labels[largest][1],
            )


def differences(
    kind: Kind, split: str, now: Summary, before: Summary, checks: Checks, other: str
) -> Iterator[Anomaly]:
    """Find where a split differs from another or from its former self.

    Args:
      kind: `skew` or `drift`.
      split: The split that is judged.
      now: Its statistics.
      before: What they are compared with.
      checks: Bounds.
      other: What `before` is, in words.

    Yields:
      An anomaly for each of label distribution, pixel mean, pixel standard deviation, mean and
      standard deviation of numbers, caption length and vocabulary that is out of bounds.
    """
    found = (
        _labels(now, before, checks),
        _pixel_mean(now, before, checks),
        _pixel_deviation(now, before, checks),
        _values(now, before, checks),
        _lengths(now, before, checks),
        _vocabulary(now, before, checks),
    )
    for one in found:
        if one:
            feature, count, text, example = one
            yield Anomaly(kind, feature, split, count, now.records, f"{text} {other}", example)


_Found = tuple[str, int, str, str] | None
"""Feature, records concerned, what is wrong, example."""


def _labels(now: Summary, before: Summary, checks: Checks) -> _Found:
    """L-infinity distance of the label distributions."""
    here, there = size(now.labels), size(before.labels)
    if not here or not there:
        return None
    worst: _Found = None
    largest = 0.0
    for label in sorted(now.labels.keys() | before.labels.keys()):
        count, first = now.labels.get(label, (0, ""))
        former, former_first = before.labels.get(label, (0, ""))
        earlier = former / there
        distance = abs(count / here - earlier)
        pooled = (count + earlier * there) / (here + there)
        chance = CHANCE * math.sqrt(pooled * (1 - pooled) * (1 / here + 1 / there))
        if distance - chance > max(largest, checks.label_distance):
            largest = distance - chance
            text = f"of class {label}, a share of {count / here:.3f} against {earlier:.3f}"
            worst = (LABEL, count, text, first or former_first)
    return worst


def _pixel_mean(now: Summary, before: Summary, checks: Checks) -> _Found:
    if not now.pixels or not before.pixels:
        return None
    shift = now.pixel_mean - before.pixel_mean
    if abs(shift) - _chance(now.means, before.means) <= checks.pixel_distance:
        return None
    extreme = (max if shift > 0 else min)(now.means, key=float)
    text = f"with a pixel mean of {now.pixel_mean:.1f} against {before.pixel_mean:.1f}"
    return IMAGE, now.records, text, now.means[extreme][1]


def _pixel_deviation(now: Summary, before: Summary, checks: Checks) -> _Found:
    if not now.pixels or not before.pixels:
        return None
    shift = now.pixel_deviation - before.pixel_deviation
    # Images vary in contrast about as much as they do in brightness.
    if abs(shift) - _chance(now.means, before.means) <= checks.pixel_distance:
        return None
    text = (
        f"with a pixel variance of {now.pixel_deviation**2:.1f} against "
        f"{before.pixel_deviation**2:.1f}"
    )
    return IMAGE, now.records, text, min(first for _, first in now.means.values())


def _values(now: Summary, before: Summary, checks: Checks) -> _Found:
    """Compare numbers: their mean and standard deviation, in units of the former deviation."""
    if not now.values or not before.values:
        return None
    (mean, variance), (earlier, earlier_variance) = spread(now.values), spread(before.values)
    unit = math.sqrt(earlier_variance) or 1.0
    shift = abs(mean - earlier)
    change = abs(math.sqrt(variance) - unit)
    if max(shift, change) - _chance(now.values, before.values) <= checks.value_distance * unit:
        return None
    extreme = max(now.values, key=lambda value: abs(float(value) - earlier))
    text = (
        f"with a mean of {mean:.4g} and a standard deviation of {math.sqrt(variance):.3g} against "
        f"{earlier:.4g} and {unit:.3g}"
    )
    return VALUE, now.records, text, now.values[extreme][1]


def _lengths(now: Summary, before: Summary, checks: Checks) -> _Found:
    if not now.lengths or not before.lengths:
        return None
    (mean, _), (earlier, _) = spread(now.lengths), spread(before.lengths)
    if abs(mean - earlier) - _chance(now.lengths, before.lengths) <= (
        checks.caption_length_distance
    ):
        return None
    extreme = (max if mean > earlier else min)(now.lengths, key=float)
    text = f"with a mean caption length of {mean:.1f} words against {earlier:.1f}"
    return CAPTIONS, now.records, text, now.lengths[extreme][1]


def _vocabulary(now: Summary, before: Summary, checks: Checks) -> _Found:
    spoken, heard = size(now.words), size(before.words)
    if not spoken or not heard:
        return None
    unseen = {word: now.words[word] for word in now.words.keys() - before.words.keys()}
    share = size(unseen) / spoken
    expected = sum(count == 1 for count, _ in before.words.values()) / heard
    if share - expected <= checks.new_words_share:
        return None
    word = min(unseen, key=lambda word: (-unseen[word][0], word))
    text = f"with new words ({share:.1%} of all, such as '{word}') against the vocabulary"
    return CAPTIONS, min(now.records, size(unseen)), text, unseen[word][1]


def _chance(one: Tally, other: Tally) -> float:
    """Standard errors of the difference of two means."""
    errors = sum(spread(tally)[1] / max(1, size(tally)) for tally in (one, other))
    return CHANCE * math.sqrt(errors)
