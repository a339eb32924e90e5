"""Figures of single queries: nDCG@10, recall@100, success@5 and the share of hits from other tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart.errors import DependencyError

NDCG, RECALL, SUCCESS, WRONG_TASK = "ndcg@10", "recall@100", "success@5", "wrong_task@10"
MEASURES = (NDCG, RECALL, SUCCESS)

# One ranking a query: document ids, best first.
Rankings = Sequence[Sequence[str]]


class Judge:
    """Scores rankings of one set with ir-measures (MacAvaney et al. 2022), on pytrec_eval.

    Args:
        queries: Ids, in the order of the rankings.
        grades: Query id -> document id -> grade; 1 and above is relevant.

    Raises:
        DependencyError: ir-measures or pytrec_eval is not installed.
    """

    def __init__(self, queries: Sequence[str], grades: Mapping[str, Mapping[str, int]]) -> None:
        measures = ir_measures()
        self._names = {measures.nDCG @ 10: NDCG, measures.R @ 100: RECALL, measures.Success @ 5: SUCCESS}
        self._rows = {query: row for row, query in enumerate(queries)}
        qrels = {query: dict(grades[query]) for query in queries}
        provider = measures.providers.registry["pytrec_eval"]
        self._evaluator = provider.evaluator(list(self._names), qrels)

    def __call__(self, rankings: Rankings) -> dict[str, NDArray[np.float64]]:
        """Each measure's value for each query.

        Ranks go in as scores: trec_eval would order documents of equal score by its own rule.

        Returns:
            Measure -> shape: (n_queries,).
        """
        run = {
            query: {document: float(-rank) for rank, document in enumerate(rankings[row])}
            for query, row in self._rows.items()
        }
        values = {name: np.zeros(len(self._rows)) for name in MEASURES}
        for metric in self._evaluator.iter_calc(run):
            values[self._names[metric.measure]][self._rows[metric.query_id]] = metric.value
        return values


def wrong_task(own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each query's pooled top ten that comes from another set's corpus.

    Args:
        own: Shape: (n_queries, depth), bool: the document at this rank is of the query's own set.
    """
    shares: NDArray[np.float64] = 1.0 - own[:, :10].mean(axis=1)
    return shares


def robustness(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each query's worst value over its instructions (Oh et al. 2024, "INSTRUCTIR").

    Args:
        values: Shape: (n_instructions, n_queries).
    """
    worst: NDArray[np.float64] = values.min(axis=0)
    return worst


def spread(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation of a set's score over wordings, and its ratio to the mean (Xu et al. 2023, "MultiInstruct").

    Args:
        scores: Shape: (..., n_wordings).

    Returns:
        The population's standard deviation and the ratio, 0 where the mean is; shapes: (...).
    """
    deviation, mean = scores.std(axis=-1), scores.mean(axis=-1)
    return deviation, np.divide(deviation, mean, out=np.zeros_like(mean), where=mean > 0)


def ir_measures() -> Any:
    """The module ir_measures, with its provider.

    Raises:
        DependencyError: One of them is not installed.
    """
    try:
        import_module("pytrec_eval")
        return import_module("ir_measures")
    except ImportError as error:
        raise DependencyError("no ir-measures is installed; pip install 'tart-retrieval[train]'") from error
