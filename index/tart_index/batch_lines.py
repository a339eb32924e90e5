"""Many queries at once: JSON lines in, JSON lines or a TREC run out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from tart.errors import QueryError
from tart_index.filters import parse_filter

if TYPE_CHECKING:
    from tart_index.reranking import RerankingSearcher
    from tart_index.searcher import Hit, Searcher, SearchRequest, SearchResult

    # A query's name, and the query or what is wrong with it.
    _Asked: TypeAlias = tuple[str, SearchRequest | QueryError]

_BATCH = 64
_STEP = 1e-6


def search_lines(
    searcher: Searcher | RerankingSearcher, lines: Iterable[str], defaults: Mapping[str, Any], trec: str | None = None
) -> int:
    """Answers JSON lines with JSON lines, or with a TREC run; 1 if any line was bad, else 0.

    Args:
        searcher: What answers.
        lines: One query each; blank lines are passed over.
        defaults: Of `SearchRequest`, where a line does not say otherwise.
        trec: The run's name; None writes JSON lines.
    """
    from tart.encoder import batched

    failed = 0
    for batch in batched(_asked(lines, defaults), _BATCH):
        for (name, _), answer in zip(batch, _answers(searcher, batch), strict=True):
            if isinstance(answer, QueryError):
                failed = 1
                click.echo(json.dumps({"error": str(answer)}, ensure_ascii=False), err=trec is not None)
            elif trec is not None:
                click.echo("".join(trec_lines(name, answer[1], trec)), nl=False)
            else:
                click.echo(json.dumps(result_json(*answer), ensure_ascii=False))
    return failed


def trec_lines(query: str, result: SearchResult, run: str) -> Iterator[str]:
    """Lines ``query Q0 document rank score run``.

    Programs that evaluate runs read the scores and not the ranks, so equal scores are put a millionth apart.
    """
    bound = math.inf
    for hit in result.hits:
        bound = min(hit.score, bound - _STEP)
        yield f"{_word(query)} Q0 {_word(hit.document.id)} {hit.rank} {bound:.6f} {_word(run)}\n"


def _word(name: str) -> str:
    """A run's columns are split at white space."""
    return re.sub(r"\s", "_", name)


def _answers(
    searcher: Searcher | RerankingSearcher, batch: Sequence[_Asked]
) -> Iterator[tuple[SearchRequest, SearchResult] | QueryError]:
    """Answers together what can be answered."""
    from tart_index.searcher import PreparedRequest

    prepared: list[PreparedRequest | QueryError] = []
    for _, request in batch:
        try:
            prepared.append(request if isinstance(request, QueryError) else searcher.prepare(request))
        except QueryError as error:
            prepared.append(error)
    results = iter(searcher.answer([one for one in prepared if isinstance(one, PreparedRequest)]).results)
    return (one if isinstance(one, QueryError) else (one.request, next(results)) for one in prepared)


def _asked(lines: Iterable[str], defaults: Mapping[str, Any]) -> Iterator[_Asked]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                yield str(number), QueryError(f'line {number}: not JSON ({error}); wanted {{"query": "..."}}')
                continue
            name = row.get("id", number) if isinstance(row, dict) else number
            yield str(name), _request(number, row, defaults)


def _request(number: int, row: Any, defaults: Mapping[str, Any]) -> SearchRequest | QueryError:
    from tart_index.searcher import SearchRequest

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
        if own.get("filter") is not None:
            own["filter"] = parse_filter(own["filter"])
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
        "filter": (dict, type(None)),
    }
    for name, value in own.items():
        if not isinstance(value, wanted[name]) or (name == "top_k" and isinstance(value, bool)):
            raise QueryError(f"{name} is {value!r}, which is of the wrong type")


def result_json(request: SearchRequest, result: SearchResult) -> dict[str, Any]:
    """The answer to one query."""
    return {
        "query": request.query,
        "instruction_applied": result.instruction_applied,
        "data": [_hit_json(hit) for hit in result.hits],
        "has_more": result.has_more,
    }


def _hit_json(hit: Hit) -> dict[str, Any]:
    reranked = {} if hit.retrieval_score is None else {"retrieval_score": round(hit.retrieval_score, 6)}
    return {
        "rank": hit.rank,
        "id": hit.document.id,
        "score": round(hit.score, 6),
        **reranked,
        "title": hit.document.title,
        "text": hit.document.text,
        "metadata": dict(hit.document.metadata),
    }
