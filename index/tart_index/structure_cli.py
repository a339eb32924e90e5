"""`tart index tune` and `tart index report`; the options of `tart index build` that ask for a structure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tart.errors import QueryError
from tart_index.planning_options import Approval, plan_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tart_index.ann.choose import Wanted
    from tart_index.ann.structures import StructureResult

Command = TypeVar("Command", bound=Callable[..., Any])
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Bytes(click.ParamType[int]):
    """A size such as 512M or 8G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Reads a size; units are powers of 1,024."""
        found = _SIZE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"found {value!r}; wanted a size such as 512M or 8G", param, ctx)
        return int(float(found[1]) * _UNITS[found[2].upper()])


def structure_options(*, recall: float | None) -> Callable[[Command], Command]:
    """What a search structure should be.

    Args:
        recall: The default; None makes no structure unless one of the options is given.
    """

    def decorate(command: Command) -> Command:
        options = [
            click.option(
                "--recall",
                type=click.FloatRange(0, 1, min_open=True),
                default=recall,
                show_default=recall is not None,
                help="Share of the ten nearest documents that a search must find; makes a tuned search structure.",
            ),
            click.option("--memory", type=Bytes(), help="What the structure may take, such as 512M or 8G."),
            click.option(
                "--structure",
                metavar="FACTORY",
                help="FAISS's factory string, such as HNSW32_SQ8, instead of the choice by size and memory; or exact.",
            ),
        ]
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@structure_options(recall=0.95)
@click.option(
    "--queries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='Measure with real queries, JSON lines {"query": ..., "instruction": ...}. [default: sampled documents]',
)
@click.option("--sample", type=click.IntRange(min=20), default=400, show_default=True, help="Queries to measure with.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all]")
@click.option("--device", help="auto, cpu, cuda or cuda:N, for k-means and exact search. [default: auto]")
@click.option("--model", "-m", help="Where the index's model is now, for --queries. [default: as stored]")
@click.option("--keep", type=click.IntRange(min=1), default=3, show_default=True, help="Versions that stay.")
@plan_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def tune(folder: Path, queries: Path | None, as_json: bool, **settings: Any) -> None:
    """Make an approximate search structure that keeps a promise of recall.

    The structure is made from the stored vectors, nothing is embedded. Its search effort is then the smallest one that
    finds the wanted share of the true neighbours, measured against exact search. It is published as a new version;
    documents that are added later are searched exactly until the next tune.

    \b
    tart index tune my-index
    tart index tune my-index --recall 0.99 --memory 2G --queries real-queries.jsonl
    tart index tune my-index --structure HNSW32_SQ8
    tart index tune my-index --structure exact
    """
    from tart_index.folder import IndexFolder
    from tart_index.planning.plans import plan_tune
    from tart_index.planning.sizes import VectorLayout

    opened = IndexFolder.open(folder)
    plan = plan_tune(opened, wanted_of(settings), VectorLayout.of(opened.manifest.dim, opened.manifest.vector_dtype))
    approval = Approval(settings, as_json=as_json)
    if settings["dry_run"]:
        approval.show_only(plan)
        return
    approval.approve(plan)
    result = make_tuned(folder, settings, queries)
    approval.tell()
    click.echo(json.dumps(summary(folder, result) | approval.as_json()) if as_json else sentence(folder, result))


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), help="The page. [default: DIR-report.html]")
def report(folder: Path, out: Path | None) -> None:
    """Write a page about an index: what it holds, and recall against time of its search structure.

    \b
    tart index report my-index --out my-index.html
    """
    from tart_index.ann.report import index_report
    from tart_index.folder import IndexFolder

    opened = IndexFolder.open(folder)
    target = out or folder.with_name(f"{folder.resolve().name}-report.html")
    target.write_text(index_report(opened), encoding="utf-8")
    click.echo(f"{target}: open it in a browser")


def wanted_of(settings: Mapping[str, Any]) -> Wanted:
    """What options ask of a structure."""
    from tart.engines.hardware import available_cpus
    from tart_index.ann.choose import Wanted

    return Wanted(
        recall=settings["recall"] or 0.95,
        memory=settings["memory"],
        factory=settings["structure"],
        queries=settings.get("sample") or 400,
        threads=settings["threads"] or available_cpus(),
        device=settings["device"],
    )


def make_tuned(folder: Path, settings: Mapping[str, Any], queries: Path | None = None) -> StructureResult:
    """Makes the structure that options ask for."""
    from tart_index.ann.structures import make_structure

    wanted = wanted_of(settings)
    vectors = None if queries is None else _query_vectors(folder, queries, settings)
    with _making_bar() as bar:
        return make_structure(folder, wanted, vectors, keep=settings["keep"], progress=bar)


def summary(folder: Path, result: StructureResult) -> dict[str, Any]:
    """The outcome for machines."""
    structure = result.manifest.structure
    described = (
        None if structure is None else {k: v for k, v in asdict(structure).items() if k not in ("parts", "curve")}
    )
    return {
        "index": str(folder),
        "version": result.manifest.version,
        "changed": result.changed,
        "tried": result.tried,
        "best_recall": result.best,
        "structure": described,
    }


def sentence(folder: Path, result: StructureResult) -> str:
    """The outcome for people."""
    structure = result.manifest.structure
    if structure is None:
        why = "so few vectors are searched exactly"
        if result.tried:
            why = f"{', '.join(result.tried)} found {result.best:.3f} of the neighbours at most; search stays exact"
        return f"{folder}: no search structure: {why}"
    best = structure.chosen[0]
    exact = structure.exact.get(str(best.k))
    faster = f", exact search takes {exact:.2f} ms" if exact else ""
    return (
        f"{folder}: {structure.factory}, {structure.bytes_per_vector:,.0f} bytes a vector; finds {best.recall:.3f} "
        f"of the {best.k} nearest in {best.ms:.2f} ms on one thread{faster}; version {result.manifest.version}"
        + ("" if result.changed else " (unchanged)")
        + f"\nsee the curve: tart index report {folder}"
    )


def _query_vectors(folder: Path, queries: Path, settings: Mapping[str, Any]) -> NDArray[np.float32]:
    from tart_index.searcher import Searcher, SearchRequest

    try:
        lines = queries.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"{queries}: cannot be read ({error}); wanted JSON lines in UTF-8") from error
    searcher = Searcher.open(folder, model=settings["model"], threads=settings["threads"])
    requests = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            requests.append(SearchRequest(_text(row["query"]), instruction=row.get("instruction"), truncate=True))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wanted = 'wanted {"query": ..., "instruction": ...}'
            raise QueryError(f"{queries}:{number}: not a query ({error}); {wanted}") from error
    if len(requests) < 20:
        raise QueryError(f"{queries}: {len(requests)} queries measure no recall; wanted 20 or more")
    texts = [request.query for request in requests]
    instructions = [searcher.instruction_for(request).text for request in requests]
    vectors: NDArray[np.float32] = searcher.encoder.encode_queries(texts, instructions, truncate=True)
    return vectors


def _text(query: object) -> str:
    if not isinstance(query, str) or not query.strip():
        raise ValueError("its query is no text")
    return query


@contextmanager
def _making_bar() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    class Bar:
        """Stages of the making, each a line that grows."""

        def __init__(self, progress: Progress) -> None:
            self._progress = progress
            self._task: Any = None

        def stage(self, name: str, total: int | None = None) -> None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(name, total=total)

        def done(self, steps: int) -> None:
            self._progress.advance(self._task, steps)

        def say(self, text: str) -> None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield Bar(progress)
