"""`tart doctor`: what was found on this machine and what will be used."""

from __future__ import annotations

import json
import sys

import click

from tart.options import model_option


@click.command()
@model_option("The model whose engine is told.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(model: str, as_json: bool) -> None:
    """Tell what this machine has and what will be used; exit with 1 if something is wrong.

    \b
    tart doctor
    tart doctor --model BAAI/bge-small-en-v1.5
    """
    from tart_index.doctor import examine

    findings = examine(model)
    if as_json:
        click.echo(json.dumps(findings))
    else:
        for topic, rows in findings.items():
            for name, value in rows.items():
                shown = ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
                click.echo(f"{topic:<10} {name:<33} {shown}")
    sys.exit(1 if any("problem" in rows for rows in findings.values()) else 0)
