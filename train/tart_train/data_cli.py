"""`tart data`: look at, check and convert data sets for training and evaluation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tart_train.contrast_cli import contrast
from tart_train.mine_cli import mine

if TYPE_CHECKING:
    from tart_train.dataset import RetrievalSet
    from tart_train.leakage import EvaluationTexts

_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ROWS_A_STEP = 500  # Rich takes longer to count a row than this command to read it.
_LICENCE_CLASSES = ("open", "research", "none")


@click.group()
def data() -> None:
    """Look at, check, convert and mine data sets for training and evaluation.

    A data set is a folder with corpus.jsonl, queries.jsonl, qrels.tsv (plain, .gz or .zst) and card.json.
    """


data.add_command(mine)
data.add_command(contrast)


@data.command("list")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_PATH)
@click.option("--licence-class", type=click.Choice(_LICENCE_CLASSES), help="Only sets of this class.")
@_JSON
def list_sets(folders: tuple[Path, ...], licence_class: str | None, as_json: bool) -> None:
    """List data sets with their counts and licences.

    DIR is a data set or a folder of data sets. --json prints one JSON object on a line for each.

    \b
    tart data list data/train
    tart data list data/train --licence-class open --json | jq -r .name
    """
    from tart_train.set_folders import open_sets
    from tart_train.set_report import counts_of, table_lines

    sets = [found for found in open_sets(folders) if licence_class in (None, found.card.licence_class)]
    rows = []
    with _bar("counting", len(sets)) as advance:
        for found in sets:
            rows.append(counts_of(found))
            advance()
    for line in map(json.dumps, rows) if as_json else table_lines(rows):
        click.echo(line)


@data.command()
@click.argument("folder", metavar="SET", type=_PATH)
@click.option("--rows", type=click.IntRange(min=0), default=3, show_default=True, help="Sample rows.")
@_JSON
def show(folder: Path, rows: int, as_json: bool) -> None:
    """Show the card, the instructions and a few rows of a data set.

    \b
    tart data show data/train/medquad
    tart data show data/train/medquad --rows 10
    """
    from tart_train.dataset import RetrievalSet
    from tart_train.set_report import portrait, portrait_lines

    body = portrait(RetrievalSet.open(folder), rows)
    for line in [json.dumps(body, ensure_ascii=False)] if as_json else portrait_lines(body):
        click.echo(line)


@data.command()
@click.argument("folders", metavar="SET...", nargs=-1, required=True, type=_PATH)
@click.option(
    "--against",
    multiple=True,
    type=_PATH,
    help="An evaluation set, or a folder of them; repeatable.",
)
@click.option(
    "--containment",
    type=click.FloatRange(min=0, max=1, min_open=True),
    metavar="SHARE",
    help="Also report documents of 50 words and more that share this part of their 8-grams.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Faults and leaks told of each set; 0 is all.",
)
@_JSON
def check(
    folders: tuple[Path, ...], against: tuple[Path, ...], containment: float | None, limit: int, as_json: bool
) -> None:
    """Find everything wrong with data sets, and texts that an evaluation set has too.

    SET is a data set or a folder of data sets. Texts are compared by their letters and digits, documents from 30 of
    these on. A set is not compared with itself. The exit status is 1 when a fault or a leak is found. --json prints one
    JSON object on a line for each set.

    \b
    tart data check data/train/medquad
    tart data check data/train --against data/dev --against my-test-set
    tart data check mined --against data/dev --containment 0.5 --limit 0
    """
    from tart_train.set_folders import open_sets
    from tart_train.set_report import check_lines, check_report

    if containment is not None and not against:
        raise click.UsageError("--containment compares with evaluation sets; name one with --against")
    sets, evaluation = open_sets(folders), open_sets(against)
    clean = True
    texts = _evaluation_texts(evaluation, containment)
    for found in sets:
        with _bar(f"{found.name}: rows read", None) as advance:
            body = check_report(found, partial(texts, passed=advance), limit or None, advance)
        clean &= not (body["faults"]["count"] or body["leaks"]["count"])
        for line in [json.dumps(body, ensure_ascii=False)] if as_json else check_lines(body):
            click.echo(line)
    if not clean:
        sys.exit(1)


@data.command()
@click.argument("folder", metavar="SET", type=_PATH)
@click.argument("out", metavar="OUT", type=_PATH)
@click.option("--split", help="Which qrels/SPLIT.tsv of a BEIR folder. [default: qrels.tsv, else test]")
def convert(folder: Path, out: Path, split: str | None) -> None:
    """Convert a BEIR folder into saved `datasets`, or these into a BEIR folder.

    The saved form has the three datasets corpus, queries and qrels, each as save_to_disk writes it.

    \b
    tart data convert data/dev/xquad_en xquad-saved
    tart data convert xquad-saved xquad-beir
    """
    from tart_train.convert import convert as convert_set

    with _bar("rows written", None) as advance:
        form = convert_set(folder, out, split, advance)
    click.echo(f"{out}: {'a BEIR folder' if form == 'beir' else 'saved datasets corpus, queries and qrels'}")


def _evaluation_texts(sets: list[RetrievalSet], containment: float | None) -> Callable[..., EvaluationTexts | None]:
    """The texts of evaluation sets without those of a set that is itself checked; read as rarely as may be."""
    from tart_train.leakage import EvaluationTexts

    folders = {found.path.resolve() for found in sets}
    kept: dict[Path | None, EvaluationTexts] = {}

    def texts(folder: Path, passed: Callable[[], None]) -> EvaluationTexts | None:
        itself = folder if folder in folders else None
        others = [found for found in sets if found.path.resolve() != itself]
        if itself not in kept and others:
            kept.clear()
            kept[itself] = EvaluationTexts(others, containment, passed)
        return kept.get(itself)

    return texts


@contextmanager
def _bar(description: str, total: int | None) -> Iterator[Callable[[], None]]:
    """A bar on standard error while the block runs; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not console.is_terminal
    # Rich would send what is printed meanwhile to this console, which is standard error.
    with Progress(*columns, console=console, disable=hidden, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(description, total=total)
        steps = count(1)
        every = 1 if total else _ROWS_A_STEP

        def advance() -> None:
            if next(steps) % every == 0:
                progress.advance(task, every)

        yield advance
