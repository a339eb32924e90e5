"""Search results in the form of the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tart.errors import QueryError
from tart_index.searcher import Hit, SearchResult, Timing
from tart_serve.refusal import TITLES
from tart_serve.schemas.search import (
    Included,
    IndexVersion,
    QueryFault,
    SearchBatchReply,
    SearchHit,
    SearchReply,
    TimingMs,
    Usage,
)
from tart_serve.served_indexes import ServedIndex
from tart_serve.served_models import public_name


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """What all replies to one request have in common."""

    index: ServedIndex
    request_id: str
    include: tuple[Included, ...]
    timing: TimingMs

    def single(self, outcome: SearchResult | QueryError) -> SearchReply:
        """The reply to one query.

        Raises:
            QueryError: The query has no result.
        """
        if isinstance(outcome, QueryError):
            raise outcome
        return SearchReply(
            object="search.results",
            request_id=self.request_id,
            index=IndexVersion(name=self.index.name, version=self.index.version, fingerprint=self.index.fingerprint),
            model=public_name(self.index.searcher.encoder),
            instruction_applied=outcome.instruction_applied,
            data=[self._hit(hit) for hit in outcome.hits],
            has_more=outcome.has_more,
            usage=Usage(prompt_tokens=outcome.tokens),
            timing_ms=self.timing,
        )

    def batch(self, outcomes: Sequence[SearchResult | QueryError]) -> SearchBatchReply:
        """The reply to several queries."""
        results = [_fault(one) if isinstance(one, QueryError) else self.single(one) for one in outcomes]
        return SearchBatchReply(object="search.batch", request_id=self.request_id, results=results)

    def _hit(self, hit: Hit) -> SearchHit:
        shown: dict[str, Any] = {field: getattr(hit.document, field) for field in self.include}
        if hit.retrieval_score is not None:
            shown["retrieval_score"] = hit.retrieval_score
        return SearchHit(rank=hit.rank, id=hit.document.id, score=hit.score, **shown)


def timing_ms(waited: float, timing: Timing) -> TimingMs:
    """Seconds as milliseconds, to the microsecond."""
    stages = {"queue": waited, **timing._asdict()}
    return TimingMs(**{name: round(seconds * 1_000, 3) for name, seconds in stages.items() if seconds is not None})


def _fault(error: QueryError) -> QueryFault:
    return QueryFault(object="error", status=422, title=TITLES[422], detail=str(error))
