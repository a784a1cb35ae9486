"""`genvision approve`: a person's word on a model that waits for it."""

from __future__ import annotations

import datetime

import click


@click.command()
@click.argument("run")
@click.option("--by", required=True, metavar="NAME", help="Who decides.")
@click.option("--note", default="", metavar="TEXT", help="Why.")
@click.option("--reject", is_flag=True, help="Refuse the model instead.")
@click.option("--key-file", metavar="FILE", help="Secret to sign with. Default: the recipe's.")
@click.option("--output-dir", metavar="DIR", help="Default: runs/RECIPE.")
def approve(
    run: str, by: str, note: str, reject: bool, key_file: str | None, output_dir: str | None
) -> None:
    """Approve the model of a RUN that waits for it (`digits_cgan`, or `digits_cgan:3`).

    The decision holds for the bytes of this model alone and is kept in its lineage. A run that is
    waiting goes on at once; a later run of the same model finds the decision made.
    """
    click.echo(decide(run, by, note, not reject, key_file, output_dir))


def decide(
    name: str, by: str, note: str, approved: bool, key_file: str | None, output_dir: str | None
) -> str:
    """Write the decision about a run's model.

    Returns:
      A sentence that says what was decided.

    Raises:
      UserError: There is no such run, its model was not judged or was refused by the gate, or the
        key cannot be read.
    """
    from components.approval import decision
    from components.approval.settings import Approve
    from pipeline.history.runs import find
    from pipeline.paths import Paths
    from trainer.errors import UserError

    run = find(name, output_dir)
    if not run.evaluation:
        raise UserError(f"{run.name} has not been judged yet: wait for its evaluator")
    if not run.evaluation["blessed"]:
        raise UserError(f"{run.name} was refused by the gate: there is nothing to approve")
    settings = run.settings()
    wanted = {
        key: settings[f"settings.{key}"]
        for key in Approve.model_fields
        if f"settings.{key}" in settings
    }
    key = decision.read_key(key_file or Approve.model_validate(wanted).key_file)
    made = decision.Decision(
        model=run.evaluation["model"]["fingerprint"],
        approved=approved,
        by=by,
        note=note,
        time=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )
    folder = Paths.of(run.recipe, str(run.folder)).approvals
    decision.write(folder, made.signed(key) if key else made)
    return f"{run.name}: {made}"
