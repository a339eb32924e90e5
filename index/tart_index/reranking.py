"""Rerank: the best hits of an index, put in order by a cross-encoder that reads query and document together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tart.errors import QueryError
from tart.instructions import Instruction
from tart.reranker import Reranker
from tart_index.searcher import (
    MAX_TOP_K,
    Answers,
    Hit,
    PreparedRequest,
    Searcher,
    SearchRequest,
    SearchResult,
)

DEFAULT_DEPTH = 50


class RerankingSearcher:
    """A `Searcher` with the same face whose best `depth` hits are scored again.

    A result holds reranked hits only: pages, the score threshold and `has_more` are about these, so that pages of one
    depth join without gap or overlap. Filters work as without reranking. The instruction is the one that was asked
    for, even where the index's own input format takes none.

    Args:
        searcher: Finds the hits.
        reranker: Scores them.
        depth: How many, 1 to `MAX_TOP_K`.

    Raises:
        QueryError: The depth is out of range.
    """

    def __init__(self, searcher: Searcher, reranker: Reranker, depth: int = DEFAULT_DEPTH) -> None:
        if not 1 <= depth <= MAX_TOP_K:
            raise QueryError(f"the rerank depth is {depth}; wanted 1 to {MAX_TOP_K}")
        self.searcher = searcher
        self.reranker = reranker
        self.depth = depth

    def search(self, requests: Sequence[SearchRequest]) -> list[SearchResult]:
        """Answers requests together; see `Searcher.search`.

        Raises:
            QueryError: See `prepare`.
        """
        return self.answer([self.prepare(request) for request in requests]).results

    def prepare(self, request: SearchRequest) -> PreparedRequest:
        """Checks and tokenises a request, so that a bad one is known before it joins a batch.

        Raises:
            QueryError: The query is empty or too long for either model, or the page lies behind the reranked hits.
        """
        if request.offset + request.top_k > self.depth:
            raise QueryError(
                f"top_k is {request.top_k} and offset {request.offset}, but only the best {self.depth} hits are "
                f"reranked; ask for fewer, or rerank {request.offset + request.top_k} or more"
            )
        prepared = self.searcher.prepare(request)
        self.reranker.check(request.query, self.searcher.asked_instruction(request))
        return prepared

    def answer(self, prepared: Sequence[PreparedRequest], vectors: NDArray[np.float32] | None = None) -> Answers:
        """Answers prepared requests together: found in one pass, scored in shared batches; see `Searcher.answer`."""
        widened = [one._replace(request=self._widened(one.request)) for one in prepared]
        candidates = self.searcher.answer(widened, vectors)
        started = time.perf_counter()
        instructions = [self._instruction(one) for one in prepared]
        scores = self.reranker.score_many(
            [
                (one.request.query, instruction, [hit.document for hit in found.hits])
                for one, instruction, found in zip(prepared, instructions, candidates.results, strict=True)
            ]
        )
        results = [
            _reranked(one.request, instruction, found, [float(score) for score in own])
            for one, instruction, found, own in zip(prepared, instructions, candidates.results, scores, strict=True)
        ]
        return Answers(results, candidates.timing._replace(rerank=time.perf_counter() - started))

    def _widened(self, request: SearchRequest) -> SearchRequest:
        """A request for all hits that are to be scored."""
        return replace(request, top_k=self.depth, offset=0, score_threshold=None)

    def _instruction(self, prepared: PreparedRequest) -> Instruction:
        """What the reranker reads."""
        asked = self.searcher.asked_instruction(prepared.request)
        return self.reranker.pair_format.texts.applied(asked)


def _reranked(
    request: SearchRequest, instruction: Instruction, found: SearchResult, scores: Sequence[float]
) -> SearchResult:
    """The page of the reranked hits that a request asks for; equal scores in the order of their ids."""
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], found.hits[n].document.id))
    threshold = request.score_threshold
    passing = [n for n in order if threshold is None or scores[n] >= threshold]
    end = request.offset + request.top_k
    hits = [
        Hit(rank, scores[n], found.hits[n].document, found.hits[n].score)
        for rank, n in enumerate(passing[request.offset : end], start=request.offset + 1)
    ]
    # What either model read counts as applied.
    applied = instruction.text or found.instruction_applied
    return found._replace(instruction_applied=applied, hits=hits, has_more=len(passing) > end)
