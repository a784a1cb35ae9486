"""The exit task: how a run ended, which node failed, the scores and the report; told to people.

It runs whatever happened before, imports no TFX, and never fails a run that went well: a message
that cannot be sent is said in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.runners.kubeflow import task_io
from pipeline.runners.kubeflow.connection import open_store
from pipeline.runners.kubeflow.runs import Run, message, refusal
from pipeline.runners.kubeflow.task_io import NOTIFY_URLS, TaskIO
from trainer.errors import UserError


@dataclass
class Ending:
    """How a run ended."""

    succeeded: bool
    headline: str
    states: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Write it for people."""
        lines = [f"## {self.headline}", ""]
        lines += [f"- {trouble}" for trouble in self.troubles]
        lines += ["", "| node | state |", "|---|---|"] if self.states else []
        lines += [f"| {node} | {state} |" for node, state in self.states.items()]
        lines += ["", "| score | value |", "|---|---|"] if self.scores else []
        lines += [f"| {name} | {value:g} |" for name, value in self.scores.items()]
        return "\n".join([*lines, "", *self.links, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Tell how a run ended; return the process's exit code."""
    options = _parser().parse_args(argv)
    try:
        task = TaskIO.parse(options.executor_input)
        ending = sum_up(options, task)
        print(ending.markdown(), flush=True)
        summary = ending.markdown()
        task.write(task_io.page(ending.headline, summary), ending.scores, summary)
        notify(ending)
    except UserError as error:
        print(f"exit report: wrong: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    return 0


def sum_up(options: argparse.Namespace, task: TaskIO) -> Ending:
    """Ask Kubeflow's final status and ML Metadata how the run ended."""
    status = _status(task.parameters.get("status"))
    succeeded = status.get("state") == "SUCCEEDED"
    words = str(status.get("state", "unknown")).lower()
    ending = Ending(succeeded, f"{options.pipeline}: run {options.run_id} {words}")
    store = open_store(str(task.parameters.get("metadata", "")))
    run = Run(store, options.pipeline, options.run_id)
    for node in options.node:
        ending.states[node] = run.state(node)
        _add_trouble(ending, run, node)
        for output in run.outputs(node):
            if "verdict" in output.properties:
                ending.scores |= task_io.figures(output.properties)
                ending.links.append(f"report: {output.uri}/report.html")
            if output.properties.get("pushed"):
                ending.links.append(f"model: {output.properties.get('pushed_destination')}")
    error = status.get("error") or {}
    if not succeeded and not ending.troubles and error.get("message"):
        ending.troubles.append(" ".join(str(error["message"]).split()))
    if options.ui:
        ending.links.append(f"run: {options.ui.rstrip('/')}/#/runs/details/{options.run_id}")
    return ending


def notify(ending: Ending) -> bool:
    """Send the ending to the addresses in `NOTIFY_URLS`, by Apprise; True when all took it.

    Nothing is sent, and Apprise is not imported, when there are no addresses.
    """
    urls = [url for url in os.environ.get(NOTIFY_URLS, "").split() if url]
    if not urls:
        return False
    try:
        import apprise
    except ImportError:
        print(
            "exit report: not sent: the image lacks Apprise, install genvision[notify]",
            file=sys.stderr,
        )
        return False
    sender = apprise.Apprise()
    taken = [sender.add(url) for url in urls]
    kind = apprise.NotifyType.SUCCESS if ending.succeeded else apprise.NotifyType.FAILURE
    sent = sender.notify(
        title=ending.headline,
        body=ending.markdown(),
        body_format=apprise.NotifyFormat.MARKDOWN,
        notify_type=kind,
    )
    if not sent or not all(taken):
        # Never the addresses themselves: they hold the secret.
        print(f"exit report: not all of {len(urls)} addresses took it", file=sys.stderr)
    return bool(sent and all(taken))


def _add_trouble(ending: Ending, run: Run, node: str) -> None:
    state = ending.states[node]
    if state == "failed":
        words = message(run.executions(node)[0])
        ending.troubles.append(f"{node} failed{': ' + words if words else '; see its log'}")
    reason = refusal(run.outputs(node))
    if reason is not None:
        ending.states[node] = "refused"
        ending.troubles.append(f"{node} refused the model: {reason}")


def _status(given: Any) -> dict[str, Any]:
    """Read Kubeflow's final status, which comes as an object or as its JSON."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return {}
    return given if isinstance(given, dict) else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipeline.runners.kubeflow.finish")
    parser.add_argument("--executor-input", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--pipeline", required=True, help="name of the TFX pipeline")
    parser.add_argument("--node", action="append", default=[], help="its nodes, in order")
    parser.add_argument("--ui", help="address of the Kubeflow Pipelines UI")
    return parser


if __name__ == "__main__":
    sys.exit(main())
