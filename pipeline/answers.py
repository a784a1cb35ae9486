"""What commands that only read say: lines for people, with `--json` the same facts for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def tell(facts: Any, lines: Iterable[str], as_json: bool) -> None:
    """Print an answer.

    Args:
      facts: The whole answer, of what JSON can hold.
      lines: The same for people.
      as_json: Which of the two is wanted.
    """
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in lines:
            click.echo(line)
