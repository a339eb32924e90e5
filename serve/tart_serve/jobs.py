"""The kinds of work that callers bring to the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from tart.encoder import Encoder
from tart.errors import QueryError
from tart.tokens import Tokens
from tart_index import RerankingSearcher, Searcher, SearchRequest
from tart_index.searcher import PreparedRequest

T = TypeVar("T")
AnySearcher: TypeAlias = Searcher | RerankingSearcher

# English has about four characters a token; enough to bound a queue by, before any text is tokenised.
_CHARACTERS_PER_TOKEN = 4
_SPECIAL_TOKENS = 4
# Of a reranked pair: query, instruction and a passage.
_TOKENS_PER_PAIR = 160


class Prepared(Generic[T]):
    """Something that a job needs and that is made once: ahead of time in another thread, or when it is needed.

    Args:
        make: Blocking.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._ahead: Future[tuple[T, float]] | None = None

    def begin(self, executor: Executor) -> None:
        """Makes it ahead of time."""
        self._ahead = executor.submit(self._timed)

    def result(self) -> tuple[T, float]:
        """What was made, and the seconds that it took; a waiting turn in the other thread is not waited for."""
        if self._ahead is None or self._ahead.cancel():
            return self._timed()
        return self._ahead.result()

    def _timed(self) -> tuple[T, float]:
        started = time.perf_counter()
        made = self._make()
        return made, time.perf_counter() - started


class SearchJob:
    """Requests of one caller to one version of an index.

    Attributes:
        searcher: That version, with a reranker over it where one was asked for.
        requests: One or more.
        prepared: The requests tokenised, or what is wrong with them.
        tokens: That the models will read, about.
        budget: Tokens of a batch that suits the model.
    """

    def __init__(self, searcher: AnySearcher, requests: Sequence[SearchRequest]) -> None:
        self.searcher = searcher
        self.requests = requests
        # No method of this job: a cycle of references would keep a version's memory maps open until it is collected.
        self.prepared = Prepared(partial(_prepared, searcher, requests))
        self.encoder = plain(searcher).encoder
        self.tokens = sum(self._estimate(request) for request in requests)
        self.budget = self.encoder.token_budget

    @property
    def kind(self) -> Hashable:
        """Jobs of one kind may share a batch: a reranker is so slow that nobody else should wait for it."""
        return "encode" if isinstance(self.searcher, Searcher) else "rerank"

    @property
    def group(self) -> Hashable:
        """Jobs of one group are searched together."""
        if isinstance(self.searcher, Searcher):
            return id(self.searcher)
        return id(self.searcher.searcher), id(self.searcher.reranker), self.searcher.depth

    def prepare_ahead(self, executor: Executor) -> None:
        """Tokenises while another batch is in the model."""
        self.prepared.begin(executor)

    def _estimate(self, request: SearchRequest) -> int:
        query = estimated_tokens(len(request.query) + len(request.instruction or ""), self.encoder)
        return query if isinstance(self.searcher, Searcher) else query + self.searcher.depth * _TOKENS_PER_PAIR


class EmbedJob:
    """Texts of one caller to embed.

    Attributes:
        encoder: The model.
        prepared: The texts tokenised.
        keep: Whether to remember the vectors.
        tokens: That the model will read, about.
        budget: Tokens of a batch that suits the model.
        kind: Jobs of one kind may share a batch.
    """

    kind: Hashable = "encode"

    def __init__(self, encoder: Encoder, tokenize: Callable[[], Tokens], tokens: int, *, keep: bool) -> None:
        self.encoder = encoder
        self.prepared = Prepared(tokenize)
        self.keep = keep
        self.tokens = tokens
        self.budget = encoder.token_budget

    def prepare_ahead(self, executor: Executor) -> None:
        """Tokenises while another batch is in the model."""
        self.prepared.begin(executor)


class CallJob:
    """Any other blocking work, which takes a turn of its own.

    Attributes:
        work: What to call.
        tokens: That a model will read, about.
        budget: Tokens of a batch; nothing joins this one.
    """

    budget = 0

    def __init__(self, work: Callable[[], Any], tokens: int) -> None:
        self.work = work
        self.tokens = tokens

    @property
    def kind(self) -> Hashable:
        """Its own: it shares a batch with nobody."""
        return id(self)

    def prepare_ahead(self, executor: Executor) -> None:
        """There is nothing to prepare."""


Job: TypeAlias = SearchJob | EmbedJob | CallJob


def plain(searcher: AnySearcher) -> Searcher:
    """The searcher under a reranker."""
    return searcher if isinstance(searcher, Searcher) else searcher.searcher


def estimated_tokens(characters: int, encoder: Encoder) -> int:
    """Tokens that the model will read of a text of so many characters, about."""
    return min(encoder.max_length, characters // _CHARACTERS_PER_TOKEN + _SPECIAL_TOKENS)


def _prepared(searcher: AnySearcher, requests: Sequence[SearchRequest]) -> list[PreparedRequest | QueryError]:
    """The requests tokenised, or what is wrong with them."""
    return [_prepared_one(searcher, request) for request in requests]


def _prepared_one(searcher: AnySearcher, request: SearchRequest) -> PreparedRequest | QueryError:
    try:
        return searcher.prepare(request)
    except QueryError as error:
        return error
