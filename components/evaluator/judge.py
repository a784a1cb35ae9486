"""Scores the candidate and the deployed model and asks the gate: alike for every task."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.evaluator import gate
from components.evaluator.contract import ContractError
from components.evaluator.settings import AnyEvaluation


def judge(
    score: Callable[[str, bool], Any],
    settings: AnyEvaluation,
    model_path: str,
    baseline_path: str | None,
) -> dict[str, Any]:
    """Decide about a model.

    Args:
      score: Scores the model in a folder, the second argument saying whether it is the deployed
        one; its result has `scores`. Raises `ContractError` for whatever is the model's fault.
      settings: Bounds and margins.
      model_path: The candidate.
      baseline_path: The model now deployed, if any. One that cannot be scored any more is named in
        the reasons and compared with no further.

    Returns:
      Fields of the task's `Result`: verdict, candidate, baseline (None where there is none to
      compare with) and remark (why there is none).
    """
    baseline, remark = None, gate.FIRST_RUN
    try:
        candidate = score(model_path, False)
    except ContractError as fault:
        verdict = gate.refuse([str(fault)])
        return {"verdict": verdict, "candidate": None, "baseline": None, "remark": remark}
    if baseline_path:
        try:
            baseline, remark = score(baseline_path, True), ""
        except ContractError as fault:
            remark = gate.no_comparison(fault)
    verdict = gate.decide(
        candidate.scores,
        settings.thresholds,
        baseline.scores if baseline else None,
        settings.margins,
        remark,
    )
    return {"verdict": verdict, "candidate": candidate, "baseline": baseline, "remark": remark}
