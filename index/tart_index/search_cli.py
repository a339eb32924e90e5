"""`tart search`: ask an index from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from tart.errors import QueryError
from tart.options import hardware_options

if TYPE_CHECKING:
    from tart_index.searcher import Hit, SearchRequest, SearchResult

_BATCH = 64
_LINES_SHOWN = 4
_INDENT = 12
_WIDTH = 118


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("--instruction", "-i", help="What to find, in plain words. [default: the index's own, if any]")
@click.option("--prompt-name", "-p", help="A named instruction of the index.")
@click.option("--top-k", "-k", default=10, show_default=True, help="Hits per query.")
@click.option("--truncate", is_flag=True, help="Cut a query that is too long instead of refusing it.")
@click.option("--model", "-m", help="Where the index's model is now. [default: as stored]")
@hardware_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per query.")
def search(folder: Path, query: str, as_json: bool, **settings: Any) -> None:
    """Search an index.

    QUERY is the query, or - to read queries from standard input: JSON lines with "query" and, if wanted,
    "instruction", "prompt_name" and "top_k"; results are then JSON lines in the same order, a line that is bad
    gives one with "error", and the exit status is then 1.

    \b
    tart search my-index "merge two dicts" -i "Find the Python function that implements this"
    tart search my-index "merge two dicts" -i "Find documentation that explains this" -k 3 --json
    tart search my-index - < queries.jsonl > hits.jsonl
    """
    defaults = {name: settings[name] for name in ("instruction", "prompt_name", "top_k", "truncate")}
    hardware = {name: settings[name] for name in ("model", "device", "dtype", "threads")}
    if query == "-":
        sys.exit(_search_stream(folder, sys.stdin, defaults, hardware))
    _search_one(folder, query, defaults, hardware, as_json=as_json)


def _search_one(
    folder: Path, query: str, defaults: Mapping[str, Any], hardware: Mapping[str, Any], *, as_json: bool
) -> None:
    from tart_index.searcher import Searcher, SearchRequest

    if not query.strip():
        raise QueryError("the query is empty; say what to look for")
    request = SearchRequest(query, **defaults)
    searcher = Searcher.open(folder, **hardware)
    result = searcher.search([request])[0]
    if request.instruction and not searcher.encoder.input_format.takes_instruction:
        name = searcher.encoder.input_format.name
        click.echo(f"tart: the index's input format {name!r} takes no instruction; it was not applied", err=True)
    if as_json:
        click.echo(json.dumps(_result_json(request, result), ensure_ascii=False))
    else:
        _print_hits(result)


def _search_stream(folder: Path, lines: TextIO, defaults: Mapping[str, Any], hardware: Mapping[str, Any]) -> int:
    """Answers JSON lines with JSON lines; 1 if any line was bad, else 0."""
    from tart.encoder import batched
    from tart_index.searcher import PreparedRequest, Searcher

    searcher = Searcher.open(folder, **hardware)
    failed = 0
    for batch in batched(_requests(lines, defaults), _BATCH):
        prepared: list[PreparedRequest | QueryError] = []
        for request in batch:
            try:
                prepared.append(request if isinstance(request, QueryError) else searcher.prepare(request))
            except QueryError as error:
                prepared.append(error)
        good = [item for item in prepared if isinstance(item, PreparedRequest)]
        results = iter(searcher.answer(good).results)
        for item in prepared:
            if isinstance(item, QueryError):
                failed = 1
                click.echo(json.dumps({"error": str(item)}, ensure_ascii=False))
            else:
                click.echo(json.dumps(_result_json(item.request, next(results)), ensure_ascii=False))
    return failed


def _requests(lines: TextIO, defaults: Mapping[str, Any]) -> Iterator[SearchRequest | QueryError]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _request(number, line, defaults)


def _request(number: int, line: str, defaults: Mapping[str, Any]) -> SearchRequest | QueryError:
    from tart_index.searcher import SearchRequest

    try:
        row = json.loads(line)
    except ValueError as error:
        return QueryError(f'line {number}: not JSON ({error}); wanted {{"query": "..."}}')
    if not isinstance(row, dict):
        return QueryError(f'line {number}: found a {type(row).__name__}; wanted {{"query": "..."}}')
    unknown = sorted(set(row) - {"query", "id", *defaults})
    if unknown:
        return QueryError(f"line {number}: unknown fields {unknown}; wanted query, {', '.join(defaults)}")
    if not isinstance(row.get("query"), str):
        return QueryError(f"line {number}: no query text; wanted a field 'query'")
    try:
        own = {name: row[name] for name in defaults if name in row}
        _check_types(own)
        return SearchRequest(row["query"], **{**defaults, **own})
    except QueryError as error:
        return QueryError(f"line {number}: {error}")


def _check_types(own: Mapping[str, Any]) -> None:
    text = (str, type(None))
    wanted: Mapping[str, tuple[type, ...]] = {
        "instruction": text,
        "prompt_name": text,
        "top_k": (int,),
        "truncate": (bool,),
    }
    for name, value in own.items():
        if not isinstance(value, wanted[name]) or (name == "top_k" and isinstance(value, bool)):
            raise QueryError(f"{name} is {value!r}, which is of the wrong type")


def _result_json(request: SearchRequest, result: SearchResult) -> dict[str, Any]:
    return {
        "query": request.query,
        "instruction_applied": result.instruction_applied,
        "data": [_hit_json(hit) for hit in result.hits],
        "has_more": result.has_more,
    }


def _hit_json(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": hit.document.id,
        "score": round(hit.score, 6),
        "title": hit.document.title,
        "text": hit.document.text,
        "metadata": dict(hit.document.metadata),
    }


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
