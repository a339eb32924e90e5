"""The top of a ranking ordered anew by a reranker (TART-full's part in the evaluation of Asai et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tart.documents import Document
from tart.errors import QueryError
from tart_train.evaluation.conditions import BARE, RIGHT, WRONG
from tart_train.evaluation.contrast import ContrastGroup
from tart_train.evaluation.contrast_result import GroupKeys
from tart_train.evaluation.corpora import Corpora
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.progress import Steps
from tart_train.evaluation.ranking import Keys, best, pack, places_of
from tart_train.evaluation.set_result import SCOPES, SetResult, judged_columns

RERANKED = "+rerank"
_CONDITIONS = (BARE, RIGHT, WRONG)
# A reranked document stands before every other: scores of the retriever are cosines, -1 to 1.
_LIFT = 50.0


class PairScorer(Protocol):
    """A reranker; `tart.reranker.Reranker` is one."""

    name: str
    fingerprint: str

    def score_many(self, requests: Sequence[tuple[str, str, Sequence[Document]]]) -> Sequence[NDArray[np.float32]]:
        """Scores of documents for queries; a higher one fits better.

        Args:
            requests: Each a query, its instruction ("" for none), and documents.

        Returns:
            One array of shape (n_documents,) a request.

        Raises:
            QueryError: A query, with its instruction, leaves no room for a document.
        """


class SetReranker:
    """Reranks the results of sets.

    Args:
        scorer: The reranker.
        corpora: Where the documents are.
        depth: How many documents of a ranking it sees.
        steps: Is told how it goes on.
    """

    def __init__(self, scorer: PairScorer, corpora: Corpora, depth: int, steps: Steps) -> None:
        self._scorer = scorer
        self._corpora = corpora
        self._depth = depth
        self._steps = steps

    def __call__(self, own: int, result: SetResult) -> SetResult:
        """The result with conditions ``bare+rerank``, ``right+rerank`` and ``wrong+rerank`` beside the others."""
        queries = [query.text for query in result.plan.judged.queries]
        wanted = {f"{condition}/{scope}": condition for condition in _CONDITIONS for scope in SCOPES}
        tops = {name: places_of(result.keys[name][:, : self._depth]) for name in wanted}
        documents = self._documents(np.unique(np.concatenate([top.ravel() for top in tops.values()])))
        keys: dict[str, Keys] = {}
        with self._steps.step(f"reranking of {result.name}", sum(map(len, tops.values()))) as step:
            for name, condition in wanted.items():
                instructions = result.plan.instructions(condition)
                ranked = []
                for query, instruction, places in zip(queries, instructions, tops[name], strict=True):
                    scores = self._scores(query, instruction, [documents[int(place)] for place in places])
                    ranked.append(best(pack(scores, places)[None], len(places))[0])
                    step.done(1)
                keys[f"{condition}{RERANKED}/{name.split('/')[1]}"] = np.stack(ranked)
        columns = judged_columns(self._corpora, own, result.plan, keys)
        return replace(result, columns={**result.columns, **columns}, keys={**result.keys, **keys})

    def of_contrast(self, judged: JudgedSet) -> GroupKeys:
        """Reranks groups of a contrast set: all queries of a group see the same documents, the judged ones among them.

        The rest of the corpus stays behind them in the retriever's order.
        """
        rows = {document: row for row, document in enumerate(judged.ids)}
        texts = list(judged.documents())

        def rerank(group: ContrastGroup, instructions: Sequence[str], keys: Keys) -> Keys:
            seen = {rows[one] for number in group.queries for one in judged.grades.get(judged.queries[number].id, {})}
            for query_keys in keys:
                seen.update(np.argsort(-query_keys, kind="stable")[: self._depth].tolist())
            pool = np.array(sorted(seen))
            reranked: Keys = keys.copy()
            for number, (query, instruction) in enumerate(zip(group.queries, instructions, strict=True)):
                scores = self._scores(judged.queries[query].text, instruction, [texts[row] for row in pool])
                reranked[number, pool] = pack(scores + _LIFT, places_of(keys[number, pool]))
            return reranked

        return rerank

    def _scores(self, query: str, instruction: str, documents: Sequence[Document]) -> NDArray[np.float64]:
        """Scores from 0 to below 1 in the reranker's order, equal ones equal: rankings are packed with such numbers.

        A query that is too long for the reranker loses words at its end, as it does in the retriever.
        """
        words = query.split()
        while True:
            try:
                found = self._scorer.score_many([(query, instruction, documents)])[0]
                break
            except QueryError:
                if len(words) < 2:
                    raise
                words = words[: len(words) // 2]
                query = " ".join(words)
        different, order = np.unique(np.asarray(found), return_inverse=True)
        evened: NDArray[np.float64] = order / len(different)
        return evened

    def _documents(self, places: NDArray[np.int64]) -> Mapping[int, Document]:
        """The documents at some places, each corpus streamed once."""
        return dict(self._streamed(set(places.tolist())))

    def _streamed(self, wanted: set[int]) -> Iterator[tuple[int, Document]]:
        for judged, places in zip(self._corpora.sets, self._corpora.places, strict=True):
            for place, document in zip(places.tolist(), judged.documents(), strict=True):
                if place in wanted:
                    yield place, document
