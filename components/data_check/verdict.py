"""Turns what the pass measured into anomalies, and says which of them the recipe tolerates."""

from __future__ import annotations

import dataclasses
from typing import Any

from components.data_check.anomaly import Anomaly
from components.data_check.baseline import Baseline
from components.data_check.compare import balance, differences
from components.data_check.measure import Measured
from components.data_check.settings import Checks
from components.datasets.base import DatasetSpec
from trainer.features import IMAGE

LEARNED_FROM = "train"
"""Split that the others are compared with."""


def anomalies(
    spec: DatasetSpec,
    measured: Measured,
    schema: dict[tuple[str, str], str],
    baseline: Baseline,
    checks: Checks,
) -> list[Anomaly]:
    """List everything that is wrong with the data.

    Args:
      spec: What the data set promises.
      measured: What the pass over the data found.
      schema: (split, feature) -> description, from ExampleValidator. Where the pass found
        something wrong with a feature too, its exact counts stand instead.
      baseline: The statistics last accepted, if any.
      checks: Bounds.

    Returns:
      The anomalies, sorted by kind as in `settings.KINDS`, split and feature.
    """
    found = [
        Anomaly("schema", "record", split, 0, 0, "records: the split is empty")
        for split, count in measured.records().items()
        if not count
    ]
    found += _counted(measured, checks)
    found += _of_the_schema(measured, schema, {(one.split, one.feature) for one in found})
    for split, summary in measured.summaries.items():
        found += balance(spec, split, summary, checks)
    found += _duplicates(measured, checks)
    learned_from = measured.summaries.get(LEARNED_FROM)
    for split, summary in measured.summaries.items():
        if learned_from and split != LEARNED_FROM:
            other = f"of split {LEARNED_FROM}"
            found += differences("skew", split, summary, learned_from, checks, other)
    for split, before in baseline.read().items():
        if split in measured.summaries:
            other = "of the data last accepted"
            now = measured.summaries[split]
            found += differences("drift", split, now, before, checks, other)
    return found


def to_json(anomaly: Anomaly, stops: bool) -> dict[str, Any]:
    """Return an anomaly as the report shows it."""
    return {**dataclasses.asdict(anomaly), "stops": stops}


def _counted(measured: Measured, checks: Checks) -> list[Anomaly]:
    """Word the records' own problems; a share is that of all records of this kind in the split."""
    records, found = measured.records(), []
    for split, kind, feature, what, count, first in measured.problems:
        if kind == "corrupt":
            concerned, share = measured.corrupt[split], checks.corrupt_share
        else:
            concerned = count
            share = checks.caption_share if kind == "captions" else 0.0
        tolerated = concerned <= share * records[split]
        found.append(
            Anomaly(kind, feature, split, count, records[split], what, first, tolerated=tolerated)
        )
    return sorted(found, key=lambda one: (one.kind != "corrupt", one.split, one.feature, one.text))


def _of_the_schema(
    measured: Measured, schema: dict[tuple[str, str], str], seen: set[tuple[str, str]]
) -> list[Anomaly]:
    """Word what ExampleValidator alone found: something about a split as a whole."""
    found, records = [], measured.records()
    for (split, feature), text in sorted(schema.items()):
        count = records.get(split, 0)
        if (split, feature) not in seen and count:
            first = measured.summaries[split].first
            found.append(Anomaly("schema", feature, split, count, count, text, first))
    return found


def _duplicates(measured: Measured, checks: Checks) -> list[Anomaly]:
    records = measured.records()
    return [
        Anomaly(
            "duplicates",
            IMAGE,
            twins.split,
            twins.records,
            records[twins.split],
            f"also in split {twins.other}, as {twins.twin} there",
            twins.example,
            tolerated=twins.records <= checks.duplicate_share * records[twins.split],
        )
        for twins in measured.duplicates
    ]
