"""Statistics of one split that add up: what drift, skew and balance are judged by."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from components.data_check.record import Judged
from components.data_check.words import words

Tally = dict[str, tuple[int, str]]
"""Value -> (how often, smallest id of an example that has it)."""


@dataclasses.dataclass
class Summary:
    """Counts of the usable records of a split. No fractions: any order gives the same sums.

    Attributes:
      records: How many.
      first: Smallest id; stands for what concerns the split as a whole.
      pixels: Pixel values in all images.
      total: Sum of pixel values (0..255).
      squares: Sum of their squares.
      means: Mean of an image, rounded -> how often; what chance does to `total` shows here.
      labels: Class index -> how often.
      values: Number in an image's place, to four digits -> how often.
      lengths: Words of a caption -> how often.
      words: Word of the captions -> in how many examples: sentences about one image repeat words,
        so only examples are independent of each other.
    """

    records: int = 0
    first: str = ""
    pixels: int = 0
    total: int = 0
    squares: int = 0
    means: Tally = dataclasses.field(default_factory=dict)
    labels: Tally = dataclasses.field(default_factory=dict)
    values: Tally = dataclasses.field(default_factory=dict)
    lengths: Tally = dataclasses.field(default_factory=dict)
    words: Tally = dataclasses.field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        """Count one example in."""
        self.records += 1
        self.first = _smaller(self.first, judged.identity)
        if judged.picture:
            self.pixels += judged.picture.pixels
            self.total += judged.picture.total
            self.squares += judged.picture.squares
            mean = round(judged.picture.total / judged.picture.pixels)
            _count(self.means, str(mean), 1, judged.identity)
        if judged.label is not None:
            _count(self.labels, str(judged.label), 1, judged.identity)
        if judged.value is not None:
            _count(self.values, f"{judged.value:.4g}", 1, judged.identity)
        spoken = [words(caption) for caption in judged.captions]
        for sentence in spoken:
            _count(self.lengths, str(len(sentence)), 1, judged.identity)
        for word in sorted({word for sentence in spoken for word in sentence}):
            _count(self.words, word, 1, judged.identity)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, keys sorted."""
        content = dataclasses.asdict(self)
        return {
            k: dict(sorted(v.items())) if isinstance(v, dict) else v for k, v in content.items()
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Summary:
        """Read what `to_json` returned, also after a way through a file."""
        plain: dict[str, Any] = {
            key: {name: (count, first) for name, (count, first) in value.items()}
            if isinstance(value, dict)
            else value
            for key, value in content.items()
        }
        return cls(**plain)

    @property
    def pixel_mean(self) -> float:
        """Mean pixel value, 0..255."""
        return self.total / max(1, self.pixels)

    @property
    def pixel_deviation(self) -> float:
        """Standard deviation of pixel values."""
        return math.sqrt(max(0.0, self.squares / max(1, self.pixels) - self.pixel_mean**2))

    def figures(self) -> dict[str, float]:
        """Return the few numbers that a person wants to see."""
        length, _ = spread(self.lengths)
        found: dict[str, float] = {"records": self.records}
        if self.pixels:
            found["pixel mean"] = round(self.pixel_mean, 3)
            found["pixel deviation"] = round(self.pixel_deviation, 3)
        if self.values:
            mean, variance = spread(self.values)
            found |= {"mean": round(mean, 4), "deviation": round(math.sqrt(variance), 4)}
        if self.labels:
            found["classes"] = len(self.labels)
        if self.lengths:
            found |= {"words per caption": round(length, 3), "vocabulary": len(self.words)}
        return found


def merge(summaries: Iterable[Summary]) -> Summary:
    """Add summaries up."""
    result = Summary()
    for summary in summaries:
        for field in dataclasses.fields(Summary):
            mine, other = getattr(result, field.name), getattr(summary, field.name)
            if isinstance(mine, dict):
                for value, (count, first) in other.items():
                    _count(mine, value, count, first)
            elif isinstance(mine, str):
                setattr(result, field.name, _smaller(mine, other))
            else:
                setattr(result, field.name, mine + other)
    return result


def size(tally: Tally) -> int:
    """Return how many values were counted."""
    return sum(count for count, _ in tally.values())


def spread(tally: Tally) -> tuple[float, float]:
    """Return mean and variance of a tally of numbers; zeros for an empty one."""
    number = max(1, size(tally))
    mean = sum(float(value) * count for value, (count, _) in tally.items()) / number
    square = sum(float(value) ** 2 * count for value, (count, _) in tally.items()) / number
    return mean, max(0.0, square - mean**2)


def _count(tally: Tally, value: str, count: int, identity: str) -> None:
    known, first = tally.get(value, (0, identity))
    tally[value] = (known + count, min(first, identity))


def _smaller(one: str, other: str) -> str:
    """Return the smaller of two ids, either of which may be empty."""
    return min(one, other) if one and other else one or other
