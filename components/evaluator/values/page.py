"""The report on a generator of numbers: figures, and each class's distribution beside real data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.evaluator import layout
from components.evaluator.sheet import INK, PAPER, data_uri
from components.evaluator.values.evaluate import Result
from components.metrics.values import ValueEvidence

HEADLINES = ("mean_error", "deviation_error", "wasserstein")
"""Figures shown large, besides those with a bound."""

FLOOR = "Real data"
BINS, BAR, HEIGHT, MARGIN = 60, 7, 120, 16
"""Bars of a histogram, their width and height, and the space around, in pixels."""

REAL, MADE = "#b9c2d0", "#3b6fd4"
"""Real numbers as an area, generated ones as a line over it."""


def render(result: Result, runs: Sequence[str]) -> str:
    """Return the page as HTML text.

    Args:
      result: What was found.
      runs: Folders in which to look for training curves.
    """
    drawn = result.candidate and data_uri(sheet(result.candidate.evidence, names(result)))
    return layout.fill(
        "values.html",
        result,
        runs,
        rows=layout.rows(result, {FLOOR: result.real}, HEADLINES),
        floor=FLOOR,
        moments=moments(result),
        sheet=drawn,
    )


def names(result: Result) -> list[str]:
    """Return a name for each class that numbers were compared in."""
    asked = result.candidate is not None and result.candidate.evidence.labels.any()
    return list(result.stored.class_names) if asked else [result.stored.dataset]


def moments(result: Result) -> list[dict[str, Any]]:
    """Return mean and standard deviation of each class, generated and held out."""
    if result.candidate is None:
        return []
    return [
        {
            "name": name,
            "mean": float(made.mean()),
            "deviation": float(made.std()),
            "real_mean": float(real.mean()),
            "real_deviation": float(real.std()),
        }
        for name, (made, real) in zip(
            names(result), result.candidate.evidence.classes(), strict=True
        )
    ]


def sheet(evidence: ValueEvidence, titles: Sequence[str]) -> Image.Image:
    """Draw a histogram for each class: held-out numbers grey, generated ones as a blue line."""
    classes = evidence.classes()
    step = HEIGHT + 4 * MARGIN
    size = (BINS * BAR + 2 * MARGIN, len(classes) * step + MARGIN)
    canvas = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (title, (made, real)) in enumerate(zip(titles, classes, strict=True)):
        _histogram(draw, made, real, title, number * step + 2 * MARGIN)
    return canvas


def _histogram(
    draw: ImageDraw.ImageDraw, made: np.ndarray, real: np.ndarray, title: str, top: int
) -> None:
    low, high = np.percentile(np.concatenate([made, real]), [0.05, 99.95])
    pad = (high - low) / 8 or 1.0
    edges = np.linspace(low - pad, high + pad, BINS + 1)
    shares = [np.histogram(values, edges)[0] / len(values) for values in (real, made)]
    tall = max(share.max() for share in shares)
    grey, blue = (top + HEIGHT - np.rint(share / tall * HEIGHT) for share in shares)
    bottom = top + HEIGHT
    for bar, level in enumerate(grey.tolist()):
        left = MARGIN + bar * BAR
        draw.rectangle((left, level, left + BAR - 1, bottom), fill=REAL)
    centres = [MARGIN + bar * BAR + BAR / 2 for bar in range(BINS)]
    draw.line(list(zip(centres, blue.tolist(), strict=True)), fill=MADE, width=2)
    font = ImageFont.load_default(size=13)
    words = f"{title}: generated {made.mean():.4g} \N{PLUS-MINUS SIGN} {made.std():.3g}, "
    words += f"held out {real.mean():.4g} \N{PLUS-MINUS SIGN} {real.std():.3g}"
    draw.text((MARGIN, top - 8), words, INK, font, "lb")
    draw.text((MARGIN, bottom + 4), f"{edges[0]:.4g}", INK, font)
    draw.text((MARGIN + BINS * BAR, bottom + 4), f"{edges[-1]:.4g}", INK, font, "ra")
