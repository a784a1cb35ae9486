"""The command of a task on Kubeflow: starts one TFX node and says what it does, phase by phase.

python -m pipeline.runners.kubeflow.node --executor-input '{{$}}' --run-id ID --pipeline NAME
    --node NODE --ir TEXT [--recipe TEXT] [--gate]

Exit codes: 0 done, cached or skipped; 1 the node failed or a gate refused; 2 something given is
wrong; 143 terminated. Kubeflow starts a task again on any of them but 0, as often as it may; the
node then goes on, or tells at once what it found before.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import signals
from pipeline.lineage import Output
from pipeline.runners.kubeflow import task_io
from pipeline.runners.kubeflow.connection import open_store
from pipeline.runners.kubeflow.runs import Run, refusal
from pipeline.runners.kubeflow.task_io import TaskIO
from pipeline.startup import much_to_import
from trainer.errors import Interrupted, RunFailed, UserError

REPORT = "report.html"
SHOWN = 300
"""Characters of a property's value in a summary."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one node; return the process's exit code."""
    options = _parser().parse_args(argv)
    say = _speaker(options.node)
    signals.listen("terminated; the next attempt goes on from what is saved")
    try:
        _run(options, say)
    except UserError as error:
        say(f"wrong: {' '.join(str(error).split())}")
        return 2
    except Interrupted as error:
        say(f"interrupted: {error}")
        return 128 + error.signal_number
    except RunFailed as error:
        say(f"refused: {error}")
        return 1
    except Exception as error:
        traceback.print_exc()
        say(f"failed: {type(error).__name__}: {' '.join(str(error).split())}")
        return 1
    return 0


def _run(options: argparse.Namespace, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    task = TaskIO.parse(options.executor_input)
    address = str(task.parameters.get("metadata", ""))
    say(f"run {options.run_id} of {options.pipeline}, metadata {address}")
    store = open_store(address)
    run = Run(store, options.pipeline, options.run_id)
    # Known without TFX's seconds of import: an attempt before this one may have got to the end.
    state = run.state(options.node)
    if state in ("done", "cached"):
        say("finished in an earlier attempt: nothing to do again")
    else:
        state = _launch(options, task, address, say)
    outputs = run.outputs(options.node)
    summary = _summary(options, run, state, outputs, time.monotonic() - began)
    _show(task, options.node, state, outputs, summary, time.monotonic() - began)
    say(f"{state} in {time.monotonic() - began:.1f} s")
    refused = refusal(outputs) if options.gate else None
    if refused is not None:
        raise RunFailed(f"{refused}; nothing follows, what was serving stays")


def _launch(
    options: argparse.Namespace, task: TaskIO, address: str, say: Callable[[str], None]
) -> str:
    """Import TFX, put the run's values in, and launch."""
    say("loading TFX")
    with much_to_import():
        from pipeline.runners.kubeflow import handover, parameters
        from pipeline.runners.kubeflow.launch import launch

    part = handover.unpack_node(options.ir)
    if options.recipe:
        from pipeline.runners.kubeflow import rebuild

        content = handover.unpack_json(options.recipe)
        if rebuild.changed(content, task.parameters):
            say("wiring the recipe again with the values of this run")
            part = handover.cut(rebuild.wire(content, task.parameters), options.node)
    parameters.substitute(part, options.run_id, task.parameters)
    return launch(part, address, say)


def _summary(
    options: argparse.Namespace, run: Run, state: str, outputs: list[Output], seconds: float
) -> str:
    """Tell in Markdown what became of the node."""
    finished = run.done(options.node)
    why = run.lineage.why(finished, options.node, caching=True) if finished is not None else ""
    lines = [f"## {options.node}: {state}", "", f"{seconds:.1f} s. {why}".strip(), ""]
    for output in outputs:
        lines += [f"### {output.key}", "", f"`{output.uri}`", ""]
        shown = {k: v for k, v in sorted(output.properties.items()) if not k.startswith("__")}
        lines += ["| property | value |", "|---|---|"] if shown else []
        lines += [f"| {key} | {_cell(value)} |" for key, value in shown.items()]
        lines.append("")
    return "\n".join(lines)


def _show(
    task: TaskIO, node: str, state: str, outputs: list[Output], summary: str, seconds: float
) -> None:
    """Fill the artifacts that Kubeflow's UI shows of this task."""
    metrics = {"seconds": round(seconds, 1)}
    for output in outputs:
        metrics |= task_io.figures(output.properties)
    task.write(_report(outputs) or task_io.page(f"{node}: {state}", summary), metrics, summary)


def _report(outputs: list[Output]) -> str | None:
    """Return the HTML report that a node made itself."""
    for output in outputs:
        if "://" not in output.uri:
            path = Path(output.uri) / REPORT
            if path.is_file():
                return path.read_text(encoding="utf-8")
        else:
            from tfx.dsl.io import fileio

            if fileio.exists(f"{output.uri}/{REPORT}"):
                with fileio.open(f"{output.uri}/{REPORT}") as file:
                    return str(file.read())
    return None


def _cell(value: Any) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _speaker(node: str) -> Callable[[str], None]:
    def say(text: str) -> None:
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        print(f"{stamp} {node}: {text}", file=sys.stderr, flush=True)

    return say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipeline.runners.kubeflow.node")
    parser.add_argument("--executor-input", required=True)
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--pipeline", required=True, help="name of the TFX pipeline")
    parser.add_argument("--node", required=True)
    parser.add_argument("--ir", required=True, help="the node's slice of TFX's IR")
    parser.add_argument("--recipe", help="for runs with other values: the recipe to wire again")
    parser.add_argument("--gate", action="store_true", help="fail when the blessing says no")
    return parser


if __name__ == "__main__":
    sys.exit(main())
