"""What the reports of every task share: the page around them and the table of figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from components import metrics
from components.evaluator import curves
from components.evaluator.gate import Check
from components.metrics.evidence import Score


def fill(template: str, result: Any, runs: Sequence[str], **values: Any) -> str:
    """Fill a template of ours.

    Args:
      template: Its file name in `templates/`; it extends `base.html`.
      result: A task's `Result`.
      runs: Folders in which to look for training curves.
      **values: What this template asks for beside that.

    Returns:
      One self-contained page of HTML.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("components.evaluator"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["digits"] = digits
    return environment.get_template(template).render(
        result=result,
        checks=sorted(result.verdict.checks, key=lambda c: (c.passed is None, c.passed is True)),
        curves=curves.find(runs),
        view=(curves.WIDTH, curves.HEIGHT),
        **values,
    )


def rows(
    result: Any, floors: Mapping[str, Mapping[str, Score]], headlines: Sequence[str]
) -> list[dict[str, Any]]:
    """Describe each figure: the candidate's, the deployed model's, others', bounds, verdict.

    Args:
      result: A task's `Result`.
      floors: Heading -> figures to show beside the model's, by full name.
      headlines: Metrics shown large, besides those with a bound.

    Returns:
      One row per figure of the candidate; none without a candidate.
    """
    if result.candidate is None:
        return []
    bounds = {bound.metric: bound for bound in result.settings.thresholds}
    columns = {"Deployed": result.baseline.scores} if result.baseline else {}
    others = {
        heading: {metrics.base_name(name): score for name, score in scores.items()}
        for heading, scores in {**columns, **floors}.items()
    }
    found = []
    for name, score in result.candidate.scores.items():
        base = metrics.base_name(name) or name
        found.append(
            {
                "name": name,
                "meaning": metrics.METRICS[base].meaning,
                "score": score,
                "others": {heading: of.get(base) for heading, of in others.items()},
                "bound": bounds.get(name),
                "marks": (marks := _marks(result.verdict.checks, name)),
                "failed": "fail" in marks.values(),
                "headline": base in headlines or name in bounds,
            }
        )
    return found


def _marks(checks: Sequence[Check], name: str) -> dict[str, str]:
    """Return "pass" or "fail" for the columns of a figure that something was demanded in."""
    marks: dict[str, str] = {}
    for check in checks:
        if check.metric == name and check.passed is not None:
            column = "Deployed" if check.relative else "Bound"
            if marks.get(column) != "fail":
                marks[column] = "pass" if check.passed else "fail"
    return marks


def digits(value: float) -> str:
    """Write a figure with three significant digits and no exponent where that stays short."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
