"""The gate: scores, bounds and perhaps a baseline in, a verdict with its reasons out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from components import metrics
from components.evaluator.settings import Bound
from components.metrics.evidence import Score

SIGMAS = 2.0
"""A difference to the baseline counts from this many standard errors beyond the margin."""

NOT_CHECKED = (
    "no thresholds are given: nothing was promised, so nothing is blessed; name at least one bound"
)
FIRST_RUN = "there is no deployed model to compare with: only the absolute bounds decide"


@dataclasses.dataclass(frozen=True)
class Check:
    """One reason in words; `passed` is None for a remark that decides nothing.

    Attributes:
      passed: Whether it holds.
      text: The reason.
      metric: Full name of the figure it is about, if it is about one.
      relative: It is about the margin to the deployed model, not about a bound.
    """

    passed: bool | None
    text: str
    metric: str | None = None
    relative: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether the model may be deployed, and every check that led there."""

    blessed: bool
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> list[str]:
        """All reasons in words, what failed first."""
        order = {False: 0, True: 1, None: 2}
        return [check.text for check in sorted(self.checks, key=lambda c: order[c.passed])]


def refuse(faults: Sequence[str]) -> Verdict:
    """Return the verdict on a model that could not be scored."""
    return Verdict(False, tuple(Check(False, fault) for fault in faults))


def no_comparison(fault: Exception) -> str:
    """Return the remark on a deployed model that could not be scored."""
    return f"the deployed model cannot be compared with ({fault}): only the absolute bounds decide"


def decide(
    scores: Mapping[str, Score],
    bounds: Sequence[Bound],
    baseline: Mapping[str, Score] | None = None,
    margins: Mapping[str, float] | None = None,
    remark: str = FIRST_RUN,
) -> Verdict:
    """Judge a model by its figures.

    Absolute bounds hold for the figure itself, inclusive; its error is quoted, not added. Relative
    margins forgive noise: the candidate fails when it is worse than the baseline by more than the
    margin and `SIGMAS` standard errors of the difference. A bound on a figure that was not
    measured fails, a margin on one fails too, unless it is the baseline that lacks it: a model of
    another signature. That and a missing baseline are remarked on, and without any bound the model
    is not blessed.

    Args:
      scores: The candidate's figures by full name.
      bounds: Absolute bounds.
      baseline: The deployed model's figures, from the same seeds, data and extractor; None if
        there is none that can be scored.
      margins: Name ("fid" or "fid_digits-cnn_2k") -> allowed worsening as a share of the
        baseline's figure.
      remark: Why there is no baseline.

    Returns:
      A verdict, always.
    """
    checks = [check for bound in bounds for check in _absolute(bound, scores)]
    if not checks:
        checks = [Check(False, NOT_CHECKED)]
    if margins and baseline is None:
        checks.append(Check(None, remark))
    elif margins and baseline is not None:
        checks += [_relative(name, scores, baseline, share) for name, share in margins.items()]
    return Verdict(all(check.passed is not False for check in checks), tuple(checks))


def _absolute(bound: Bound, scores: Mapping[str, Score]) -> list[Check]:
    score = scores.get(bound.metric)
    if score is None:
        return [_missing(bound.metric, scores)]
    if bound.max is None and bound.min is None:
        return [Check(False, f"{bound.metric} has a threshold without max and min", bound.metric)]
    checks = []
    for limit, word, holds in (
        (bound.max, "most", lambda limit: score.value <= limit),
        (bound.min, "least", lambda limit: score.value >= limit),
    ):
        if limit is None:
            continue
        passed = math.isfinite(score.value) and bool(holds(limit))
        near = abs(score.value - limit) <= SIGMAS * score.error
        checks.append(
            Check(
                passed,
                f"{bound.metric} is {score}, {'within' if passed else 'outside'} the bound "
                f"of at {word} {limit:g}{' (closer to it than its error)' if near else ''}",
                bound.metric,
            )
        )
    return checks


def _relative(
    given: str, scores: Mapping[str, Score], baseline: Mapping[str, Score], share: float
) -> Check:
    base = metrics.base_name(given)
    name = next((n for n in scores if n == given or metrics.base_name(n) == given), None)
    if base is None or name is None:
        return _missing(given, scores)
    if name not in baseline:
        return Check(
            None,
            f"{name} was not measured for the deployed model ({_measured(baseline)}), so it is not "
            "compared: figures of another signature, extractor or count never are",
            name,
            relative=True,
        )
    ours, theirs = scores[name], baseline[name]
    worse = ours.value - theirs.value
    if metrics.METRICS[base].better == "higher":
        worse = -worse
    noise = SIGMAS * math.hypot(ours.error, theirs.error)
    allowed = share * abs(theirs.value)
    passed = math.isfinite(worse) and worse <= allowed + noise
    return Check(
        passed,
        f"{name} is {ours} against {theirs} of the deployed model, "
        f"{'not ' if passed else ''}worse by more than the margin of {share:.0%} "
        f"and the figures' error ({allowed + noise:.3g})",
        name,
        relative=True,
    )


def _missing(name: str, scores: Mapping[str, Score]) -> Check:
    base = metrics.base_name(name)
    same = [other for other in scores if base and metrics.base_name(other) == base]
    more = f"{', '.join(same)} is never compared with it" if same else _measured(scores)
    return Check(False, f"{name} has a bound but was not measured; {more}", name)


def _measured(scores: Mapping[str, Score]) -> str:
    return f"measured: {', '.join(scores) or 'nothing'}"
