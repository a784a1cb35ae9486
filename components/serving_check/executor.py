"""Runs ServingCheck: the check itself is `python -m serving.check`, a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tfx.components.infra_validator import executor as infra_validator
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

REPORT = "report.json"
TIME_LIMIT_S = 180.0
GRACE_S = 30.0
"""For the check to start and to end its own server; after that it is ended itself."""


class Executor(base_executor.BaseExecutor):
    """Blesses a model that answers, and says why when it does not; there is always a verdict."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[Any]],
        output_dict: dict[str, list[Any]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Check the model; see `ServingCheck` for the inputs.

        Leaves `report.json` beside the blessing: ok, reasons, latency in ms.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        path = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        report = check(path, exec_properties["requests"], Path(blessing.uri) / REPORT)
        # The two file names and the property are what Pusher and people look for.
        name = (
            infra_validator._BLESSED_FILENAME
            if report["ok"]
            else infra_validator._NOT_BLESSED_FILENAME
        )
        (Path(blessing.uri) / name).touch()
        blessing.set_int_custom_property(infra_validator._BLESSED_KEY, int(report["ok"]))
        blessing.set_string_custom_property("reasons", "; ".join(report["reasons"]))


def check(model_dir: str, requests: int, report: Path) -> dict[str, Any]:
    """Serve a SavedModel in a child process and ask it.

    Args:
      model_dir: Folder with saved_model.pb.
      requests: Timed requests per signature and batch size.
      report: Where the JSON report goes.

    Returns:
      The report; when the check itself broke, one with `ok` false and its last words.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "serving.check", "--model-dir", model_dir]
    command += ["--report", str(report), "--requests", str(requests)]
    command += ["--time-limit-s", str(TIME_LIMIT_S)]
    report.unlink(missing_ok=True)
    limit = TIME_LIMIT_S + GRACE_S
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        if found["ok"] == (done.returncode == 0):
            return found
        broken = f"the check broke: its report and its exit code {done.returncode} disagree"
    except subprocess.TimeoutExpired:
        broken = f"the check broke: no end after {limit:.0f} s"
    except (OSError, ValueError, KeyError):
        words = (done.stderr.strip() or "no message").splitlines()[-1]
        broken = f"the check broke (exit {done.returncode}): {words}"
    found = {"ok": False, "reasons": [broken]}
    report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found
