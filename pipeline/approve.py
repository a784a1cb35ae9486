"""`genvision approve`: a person's word on a model that waits for it."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("run", metavar="RUN|FOLDER")
@click.option("--by", required=True, metavar="NAME", help="Who decides.")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@click.option("--reject", is_flag=True, help="Refuse the model instead.")
@click.option("--key-file", metavar="FILE", help="Secret to sign with. Default: the recipe's.")
@click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
def approve(
    run: str, by: str, note: str, reject: bool, key_file: str | None, output_dir: str | None
) -> None:
    """Approve the model of a RUN that waits for it (`digits_cgan`, or `digits_cgan:3`).

    Where the run's metadata are elsewhere, as in a pod of a cluster, FOLDER names the evaluation
    that the waiting run told of.

    The decision holds for the bytes of this model alone and is kept in its lineage. A run that is
    waiting goes on at once; a later run of the same model finds the decision made.
    """
    click.echo(decide(run, by, note, not reject, key_file, output_dir))


def decide(
    name: str, by: str, note: str, approved: bool, key_file: str | None, output_dir: str | None
) -> str:
    """Write the decision about a run's model.

    Args:
      name: A run, or the folder of its evaluation.
      by: Who decides.
      note: Why.
      approved: Yes or no.
      key_file: Secret to sign with; None for the one that the run asks for.
      output_dir: Output folder of the recipe's runs; None for the default.

    Returns:
      A sentence that says what was decided.

    Raises:
      UserError: There is no such run, its model was not judged or was refused by the gate, or the
        key cannot be read.
    """
    from components.approval import decision, request
    from trainer.errors import UserError

    called, evaluation, folder = _of_folder(name) if "/" in name else _of_run(name, output_dir)
    if not evaluation:
        raise UserError(f"{called} was not judged (yet): wait for its evaluator, or name the run")
    if not evaluation["blessed"]:
        raise UserError(f"{called} was refused by the gate: there is nothing to approve")
    model = evaluation["model"]["fingerprint"]
    asked = request.read(folder, model)
    key = decision.read_key(key_file or (asked.key_file if asked else None))
    made = decision.Decision(
        model=model,
        approved=approved,
        by=by,
        note=note,
        time=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    decision.write(folder, made.signed(key) if key else made)
    return f"{called}: {made}"


def _of_run(name: str, output_dir: str | None) -> tuple[str, dict[str, Any], Path]:
    """Return a run's name, its evaluation, and where decisions about its models are left."""
    from pipeline.history.runs import find
    from pipeline.paths import Paths

    run = find(name, output_dir)
    return run.name, run.evaluation, Paths.of(run.recipe, str(run.folder)).approvals


def _of_folder(name: str) -> tuple[str, dict[str, Any], Path]:
    """Return the same for an evaluation's folder, OUTPUT/artifacts/NODE/evaluation/NUMBER."""
    from pipeline.paths import Paths
    from trainer.errors import UserError

    folder = Path(name).resolve()
    try:
        found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"'{name}' is no evaluation ({error}): name the folder that the waiting run tells of"
        ) from None
    return name, found, Paths.of("", str(folder.parents[3])).approvals
