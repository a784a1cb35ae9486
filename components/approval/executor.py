"""Waits for the decision file and turns it into a blessing that TFX's Pusher understands."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.approval import decision, request
from components.approval.settings import Approve
from components.evaluator import blessing
from components.evaluator.gate import Check, Verdict
from trainer import progress
from trainer.errors import RunFailed

POLL_S = 2.0


class Executor(base_executor.BaseExecutor):
    """Asks, waits, and blesses or not; without an answer the node fails, so the next run asks."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Wait for a decision; see `Approval` for the inputs.

        Raises:
          RunFailed: Nobody decided in time.
          UserError: A decision is there that is not properly signed or belongs to another model.
        """
        model = artifact_utils.get_single_instance(input_dict["model"])
        made = artifact_utils.get_single_instance(output_dict["blessing"])
        passed, reason = False, "not asked for: the gate or the serving check refused the model"
        if _blessed(input_dict):
            evaluation = Path(artifact_utils.get_single_uri(input_dict["evaluation"]))
            told = json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8"))
            settings = Approve.model_validate_json(exec_properties["settings"])
            folder = Path(exec_properties["folder"])
            found = wait(
                folder,
                told["model"]["fingerprint"],
                settings,
                str(self._context.pipeline_run_id if self._context else ""),
                _named(exec_properties["recipe"], folder, evaluation),
            )
            passed, reason = found.approved, str(found)
            made.set_string_custom_property("decision", reason)
        verdict = Verdict(passed, (Check(passed, reason),))
        blessing.write(made, verdict, model, None, exec_properties.get("current_component_id"))


def wait(folder: Path, model: str, settings: Approve, run: str, name: str) -> decision.Decision:
    """Wait for the decision about a model.

    Args:
      folder: Where decisions are left.
      model: The model's fingerprint.
      settings: How long, and signed by which key.
      run: Id of the run; a further attempt of it waits no longer than the first would have.
      name: What to call the model in the command that decides, for the line that asks.

    Raises:
      RunFailed: Nobody decided in time.
      UserError: The key cannot be read, or what is there is not a proper decision.
    """
    key = decision.read_key(settings.key_file)
    ends = request.made(folder, model, settings, run).ends
    asked = False
    while (found := decision.read(folder, model)) is None:
        if time.time() >= ends:
            raise RunFailed(
                f"nobody approved the model within {settings.hours:g} h: not pushed; the same "
                "command asks again"
            )
        if not asked:
            until = datetime.datetime.fromtimestamp(ends).strftime("%Y-%m-%d %H:%M")
            progress.say(
                f"waiting until {until} for: genvision approve {name} --by NAME --note WHY"
            )
            asked = True
        time.sleep(min(POLL_S, max(0.0, ends - time.time())))
    found.check(key)
    return found


def _named(recipe: str, folder: Path, evaluation: Path) -> str:
    """Name the model as `genvision approve` knows it here: by its recipe, else by its judgement."""
    return recipe if folder == Path("runs", recipe, "approvals").resolve() else str(evaluation)


def _blessed(inputs: dict[str, list[Any]]) -> bool:
    model = artifact_utils.get_single_instance(inputs["model_blessing"])
    infra = artifact_utils.get_single_instance(inputs["infra_blessing"])
    return bool(model_utils.is_model_blessed(model) and model_utils.is_infra_validated(infra))
