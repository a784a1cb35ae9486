"""One anomaly, as it stands in the report and in the line that stops a run."""

from __future__ import annotations

import dataclasses

from components.data_check.settings import Kind


@dataclasses.dataclass(frozen=True)
class Anomaly:
    """Something about the data that is not as promised.

    Attributes:
      kind: What sort of thing.
      feature: Feature that it is about.
      split: Split that it was found in.
      count: Records that it concerns.
      of: Records of the split.
      text: What is wrong; follows the counts.
      example: Id of one such record; "" only where the split has no record at all.
      tolerated: The recipe allows this many.
    """

    kind: Kind
    feature: str
    split: str
    count: int
    of: int
    text: str
    example: str = ""
    tolerated: bool = False

    def __str__(self) -> str:
        example = f", for example {self.example}" if self.example else ""
        return f"{self.feature} ({self.split}): {self.count:,} of {self.of:,} {self.text}{example}"
