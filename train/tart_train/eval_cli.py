"""`tart eval run` and `tart eval compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from tart.options import hardware_options
from tart_train.evaluation.many_values import ManyValuesCommand, RunByDefault

_FOLDER = click.Path(path_type=Path)
_SETS = click.option(
    "--sets", multiple=True, type=_FOLDER, metavar="DIR...", help="Dataset folders, or folders of them."
)
_CONTRAST = click.option("--contrast", multiple=True, type=_FOLDER, metavar="DIR...", help="Contrast sets.")
_LIMIT = click.option("--limit-queries", type=click.IntRange(min=1), help="Queries of a set, at most. [default: all]")
_SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=13, show_default=True, help="Of the bootstrap and the tests."
)


@click.group("eval", cls=RunByDefault)
def evaluate() -> None:
    """Measure how well a model retrieves, and how well it obeys.

    \b
    tart eval run all-MiniLM-L6-v2 --sets data/dev --contrast data/facets --out report
    tart eval compare report-a report-b
    """


@evaluate.command("run", cls=ManyValuesCommand)
@click.argument("model")
@_SETS
@_CONTRAST
@click.option("--out", "-o", required=True, type=_FOLDER, help="Where the reports go.")
@click.option("--rerank", metavar="RERANKER", help="Order the top of each ranking anew with this model.")
@click.option("--rerank-depth", type=click.IntRange(min=1, max=100), default=50, show_default=True)
@click.option(
    "--paraphrases", type=click.IntRange(min=1), default=10, show_default=True, help="Wordings tried for each set."
)
@_LIMIT
@click.option("--levels", type=_FOLDER, help="YAML or JSON: set -> held-out category, task or instance.")
@click.option(
    "--runs",
    type=click.Choice(["none", "main", "all"]),
    default="main",
    show_default=True,
    help="TREC run files: none, those of bare, right and wrong, or all.",
)
@_SEED
@click.option("--no-cache", is_flag=True, help="Keep no vectors for the next run.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@hardware_options
def run(
    model: str, sets: tuple[Path, ...], contrast: tuple[Path, ...], out: Path, as_json: bool, **settings: Any
) -> None:
    """Evaluate MODEL on judged sets: bare, under right, re-worded and wrong instructions, closed and pooled.

    A run that was interrupted goes on where it stopped; a second one over the same sets embeds nothing.

    \b
    tart eval run my-model --sets data/dev --out report
    tart eval run my-model --sets data/nq data/scifact --contrast data/facets --limit-queries 200 --out quick
    """
    from tart_train.evaluation.summary import summary
    from tart_train.evaluation.task import run_evaluation

    content = run_evaluation(model, sets, contrast, out, settings)
    click.echo(json.dumps(content) if as_json else summary(content, out))


@evaluate.command("compare", cls=ManyValuesCommand)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_SETS
@_CONTRAST
@click.option("--out", "-o", type=_FOLDER, help="Write compare.json and compare.md here; models need it.")
@_LIMIT
@_SEED
@click.option("--format", "shown", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True)
@hardware_options
def compare(
    first: str,
    second: str,
    sets: tuple[Path, ...],
    contrast: tuple[Path, ...],
    out: Path | None,
    shown: str,
    **settings: Any,
) -> None:
    """Compare two evaluations query by query: is B better than A?

    A and B are folders that `tart eval run` wrote; or two models, which are then evaluated on --sets first.

    \b
    tart eval compare report-a report-b
    tart eval compare all-MiniLM-L6-v2 my-model --sets data/dev --out comparison
    """
    from tart_train.evaluation.compare_task import run_comparison
    from tart_train.evaluation.compare_text import comparison_markdown, comparison_table

    comparison = run_comparison(first, second, sets, contrast, out, settings)
    if shown == "json":
        click.echo(json.dumps(comparison))
    else:
        click.echo(comparison_markdown(comparison) if shown == "markdown" else comparison_table(comparison))
