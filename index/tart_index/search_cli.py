"""`tart search`: ask an index from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tart.errors import QueryError
from tart.options import hardware_options
from tart_index.batch_lines import result_json, search_lines
from tart_index.filters import comparisons
from tart_index.where import read_filter

if TYPE_CHECKING:
    from tart_index.filters import Filter
    from tart_index.reranking import RerankingSearcher
    from tart_index.searcher import Searcher, SearchResult

_LINES_SHOWN = 4
_INDENT = 12
_WIDTH = 118
_KEYS_SHOWN = 20


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("query", required=False)
@click.option("--instruction", "-i", help="What to find, in plain words. [default: the index's own, if any]")
@click.option("--prompt-name", "-p", help="A named instruction of the index.")
@click.option("--top-k", "-k", default=10, show_default=True, help="Hits per query.")
@click.option(
    "--where",
    "-w",
    "conditions",
    multiple=True,
    metavar="CONDITION",
    help="Only documents whose metadata fits; see above.",
)
@click.option("--filter", "filter_json", metavar="JSON", help="The same, with every operator the service has.")
@click.option("--truncate", is_flag=True, help="Cut a query that is too long instead of refusing it.")
@click.option("--model", "-m", help="Where the index's model is now. [default: as stored]")
@click.option("--rerank", metavar="MODEL", help="A reranker that scores the best hits again: a folder or a hub id.")
@click.option(
    "--rerank-depth",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="How many hits the reranker scores.",
)
@hardware_options
@click.option(
    "--batch",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the queries from a file of JSON lines.",
)
@click.option("--trec", metavar="TAG", help="Write the hits of many queries as a TREC run of this name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per query.")
def search(folder: Path, query: str | None, as_json: bool, **settings: Any) -> None:
    """Search an index.

    QUERY is the query, or - to read queries from standard input: JSON lines with "query" and, if wanted, "id",
    "instruction", "prompt_name", "top_k" and "filter"; results are then JSON lines in the same order, a line that is
    bad gives one with "error", and the exit status is then 1. With --trec they are lines of a TREC run, where a query
    is named by its "id", or by its line's number.

    CONDITION is KEY OPERATOR VALUE, with one of = != > >= < <=. VALUE is a JSON number, true, false or a "string";
    anything else is a string as it stands. Several conditions, and a --filter, must all hold. A "filter" in a line
    takes the place of these options.

    \b
    tart search my-index "merge two dicts" -i "Find the Python function that implements this"
    tart search my-index "merge two dicts" -i "Find documentation that explains this" -k 3 --json
    tart search my-index "merge two dicts" -i "Find a function" --rerank my-reranker
    tart search my-index "merge two dicts" --where kind=code --where "year >= 2020"
    tart search my-index "merge two dicts" --where "released < 2024-06-01" --where 'zip = "10115"'
    tart search my-index "merge two dicts" --filter '{"type": "in", "key": "lang", "value": ["en", "de"]}'
    tart search my-index - < queries.jsonl > hits.jsonl
    tart search my-index --batch queries.jsonl --trec my-run -k 100 > my-run.trec
    """
    defaults = {name: settings[name] for name in ("instruction", "prompt_name", "top_k", "truncate")}
    defaults["filter"] = read_filter(settings["filter_json"], settings["conditions"])
    models = {name: settings[name] for name in ("model", "rerank", "rerank_depth", "device", "dtype", "threads")}
    if query is not None and settings["batch"] is not None:
        raise click.UsageError("give a QUERY or --batch, not both")
    if query is None and settings["batch"] is None:
        raise click.UsageError("Missing argument 'QUERY'; or give --batch FILE")
    if query is not None and query != "-":
        if settings["trec"] is not None:
            raise click.UsageError("--trec is for many queries: give --batch FILE, or - as QUERY")
        _search_one(folder, query, defaults, models, as_json=as_json)
        return
    _, searcher = _open(folder, models)
    source = nullcontext(sys.stdin) if settings["batch"] is None else settings["batch"].open(encoding="utf-8")
    with source as lines:
        try:
            status = search_lines(searcher, lines, defaults, settings["trec"])
        except UnicodeDecodeError as error:
            raise QueryError(f"the queries are not UTF-8 ({error.reason}); wanted JSON lines in UTF-8") from error
    sys.exit(status)


def _search_one(
    folder: Path, query: str, defaults: Mapping[str, Any], models: Mapping[str, Any], *, as_json: bool
) -> None:
    from tart_index.searcher import SearchRequest

    if not query.strip():
        raise QueryError("the query is empty; say what to look for")
    request = SearchRequest(query, **defaults)
    searcher, answering = _open(folder, models)
    result = answering.search([request])[0]
    if request.instruction and not (searcher.encoder.input_format.takes_instruction or result.instruction_applied):
        name = searcher.encoder.input_format.name
        click.echo(f"tart: the index's input format {name!r} takes no instruction; it was not applied", err=True)
    if request.filter is not None and not result.hits:
        _explain_no_hits(searcher, request.filter)
    if as_json:
        click.echo(json.dumps(result_json(request, result), ensure_ascii=False))
    else:
        _print_hits(result)


def _open(folder: Path, models: Mapping[str, Any]) -> tuple[Searcher, Searcher | RerankingSearcher]:
    """The index, and what answers from it: itself, or a reranker over it."""
    from tart_index.searcher import Searcher

    hardware = {name: models[name] for name in ("device", "dtype", "threads")}
    if not models["rerank"]:
        searcher = Searcher.open(folder, model=models["model"], **hardware)
        return searcher, searcher
    from tart.reranker import Reranker
    from tart_index.reranking import RerankingSearcher

    reranker = Reranker.load(models["rerank"], **hardware)
    searcher = Searcher.open(folder, model=models["model"], **hardware)
    return searcher, RerankingSearcher(searcher, reranker, models["rerank_depth"])


def _explain_no_hits(searcher: Searcher, wanted: Filter) -> None:
    """Names keys that no document has, mostly misspelt, and those whose values are all of another type."""
    from tart_index.columns import count_types

    known = count_types(searcher.folder.columns, searcher.folder.alive)
    there = ", ".join(map(repr, list(known)[:_KEYS_SHOWN])) or "none"
    notes = []
    for one in comparisons(wanted):
        fitting = {kind for value in one.values for kind in _fitting_types(value)}
        if one.key not in known:
            notes.append(f"no document has the metadata key {one.key!r}; there are: {there}")
        elif one.values and not fitting & set(known[one.key]):
            held = ", ".join(f"{kind} in {count:,}" for kind, count in known[one.key].items())
            notes.append(f"the metadata key {one.key!r} holds no {' or '.join(sorted(fitting))}; it holds: {held}")
    for note in dict.fromkeys(notes):
        click.echo(f"tart: {note}", err=True)


def _fitting_types(value: str | float) -> tuple[str, ...]:
    """What `tart index info` calls the types that a value compares with."""
    if isinstance(value, bool):
        return ("boolean",)
    return ("date", "string") if isinstance(value, str) else ("number",)


def _print_hits(result: SearchResult) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = min(console.width, _WIDTH) if console.is_terminal else _WIDTH
    for hit in result.hits:
        document = hit.document
        console.print(Text.assemble(f"{hit.rank:>3}. {hit.score:.3f}  ", (document.title or document.id, "bold")))
        for line in _shown_lines(document.text, width - _INDENT):
            console.print(Text(" " * _INDENT + line, style="dim"))
    if not result.hits:
        console.print("no hits")


def _shown_lines(text: str, width: int) -> list[str]:
    """The first lines of a text that are not blank, each cut to a width."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    shown = [line if len(line) <= width else line[: width - 1] + "\u2026" for line in lines[:_LINES_SHOWN]]
    return [*shown, "\u2026"] if len(lines) > _LINES_SHOWN else shown
