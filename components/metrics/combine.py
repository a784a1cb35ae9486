"""Beam's view of the mergeable statistics: sums of features that fit any sharding."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam

from components.metrics.moments import Moments, merge_all


class MomentsCombineFn(beam.CombineFn):
    """Merges `Moments` of batches into one, in any order and grouping.

    The accumulator is a `Moments` itself (None while empty): it is immutable, so Beam may merge
    and reuse accumulators as it likes.
    """

    def create_accumulator(self) -> Moments | None:
        """Return the empty accumulator."""
        return None

    def add_input(self, accumulator: Moments | None, element: Moments) -> Moments:
        """Merge the statistics of one batch into the accumulator."""
        return element if accumulator is None else accumulator.merge(element)

    def merge_accumulators(self, accumulators: Iterable[Moments | None]) -> Moments | None:
        """Merge accumulators of several workers."""
        parts = [part for part in accumulators if part is not None]
        return merge_all(parts) if parts else None

    def extract_output(self, accumulator: Moments | None) -> Moments | None:
        """Return the statistics; None if there was no input at all."""
        return accumulator
