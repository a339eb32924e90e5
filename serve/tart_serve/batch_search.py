"""Several requests in one pass, where a bad one does not fail the others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from tart.errors import QueryError
from tart_index import RerankingSearcher, Searcher, SearchRequest
from tart_index.searcher import PreparedRequest, SearchResult, Timing


class BatchAnswer(NamedTuple):
    """Results, or why there is none, in the order of the requests.

    Attributes:
        outcomes: One a request.
        timing: Of all together; encoding includes tokenising.
    """

    outcomes: list[SearchResult | QueryError]
    timing: Timing


def answer_batch(searcher: Searcher | RerankingSearcher, requests: Sequence[SearchRequest]) -> BatchAnswer:
    """Answers every request that can be answered."""
    started = time.perf_counter()
    prepared = [_prepared(searcher, request) for request in requests]
    tokenised = time.perf_counter() - started
    answers = searcher.answer([one for one in prepared if isinstance(one, PreparedRequest)])
    results = iter(answers.results)
    outcomes = [one if isinstance(one, QueryError) else next(results) for one in prepared]
    return BatchAnswer(outcomes, answers.timing._replace(encode=tokenised + answers.timing.encode))


def _prepared(searcher: Searcher | RerankingSearcher, request: SearchRequest) -> PreparedRequest | QueryError:
    try:
        return searcher.prepare(request)
    except QueryError as error:
        return error
