"""A contrast set evaluated: p-MRR, pair accuracy and plain quality, with intervals over groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.bootstrap import generator, resampled_means
from tart_train.evaluation.conditions import BARE, RIGHT
from tart_train.evaluation.contrast import ContrastGroup, GroupScores, contrast_groups, score_group
from tart_train.evaluation.figures import Estimate, Figures
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.measures import NDCG, Judge
from tart_train.evaluation.ranking import Keys, all_keys, best, id_places, places_of
from tart_train.evaluation.vectors import InstructedQuery, VectorStore

P_MRR, PAIR_ACCURACY, DIRECTION_ACCURACY = "p_mrr", "pair_accuracy", "direction_accuracy"
# Scores of a block: 256 queries x 100,000 documents are 200 MB of keys.
_SCORES = 1 << 24

Floats = NDArray[np.float64]


class GroupKeys(Protocol):
    """Ranks a group's queries anew, as a reranker does."""

    def __call__(self, group: ContrastGroup, instructions: Sequence[str], keys: Keys) -> Keys:
        """Keys of the same shape as those of the retriever: (len(group.queries), n_documents)."""


@dataclass(frozen=True, slots=True)
class ContrastResult:
    """Values of single groups and queries.

    Attributes:
        judged: The set.
        instructions: Of every query.
        groups: Those that differ in a document.
        scores: Of each group.
        ndcg: Condition -> shape: (n_answerable,), over queries that have a relevant document.
    """

    judged: JudgedSet
    instructions: Sequence[str]
    groups: Sequence[ContrastGroup]
    scores: Sequence[GroupScores]
    ndcg: Mapping[str, Floats]

    @property
    def columns(self) -> dict[str, Floats]:
        """Figure -> value of each group, NaN where it has none; for a paired comparison."""
        return {
            P_MRR: np.array([np.mean(one.p_mrr) for one in self.scores]),
            PAIR_ACCURACY: np.array([one.pairs for one in self.scores]),
            DIRECTION_ACCURACY: np.array([one.directions for one in self.scores]),
        }


def evaluate_contrast(
    judged: JudgedSet, instructions: Sequence[str], store: VectorStore, rerank: GroupKeys | None = None
) -> ContrastResult:
    """Ranks the whole corpus for each query of a contrast set, bare and under its instruction."""
    groups = contrast_groups(judged)
    asked = [InstructedQuery(one, query.text) for one, query in zip(instructions, judged.queries, strict=True)]
    bare = [InstructedQuery("", query.text) for query in judged.queries]
    distinct = {query: row for row, query in enumerate(dict.fromkeys([*asked, *bare]))}
    parts = store.documents(judged.name, judged.documents(), len(judged.ids))
    vectors = store.queries(judged.name, list(distinct))
    places = id_places(judged.ids)

    def keys_of(queries: Sequence[InstructedQuery]) -> Keys:
        return all_keys(vectors[[distinct[query] for query in queries]], parts, places)

    scores = []
    with store.steps.step(f"contrast of {judged.name}", len(groups)) as step:
        for group in groups:
            keys = keys_of([asked[number] for number in group.queries])
            if rerank is not None:
                keys = rerank(group, [instructions[number] for number in group.queries], keys)
            scores.append(score_group(group, keys))
            step.done(1)
    answerable = judged.answerable()
    kept = {query.id for query in answerable.queries}
    judge = Judge([query.id for query in answerable.queries], judged.grades)
    ordered = sorted(judged.ids)
    block = max(1, _SCORES // len(ordered))
    ndcg = {}
    for condition, queries in ((BARE, bare), (RIGHT, asked)):
        wanted = [one for one, query in zip(queries, judged.queries, strict=True) if query.id in kept]
        rankings: list[list[str]] = []
        for start in range(0, len(wanted), block):
            found = places_of(best(keys_of(wanted[start : start + block]), 10))
            rankings += [[ordered[place] for place in row] for row in found]
        ndcg[condition] = judge(rankings)[NDCG]
    return ContrastResult(judged, instructions, groups, scores, ndcg)


def contrast_figures(result: ContrastResult, seed: int, resamples: int) -> Figures:
    """p-MRR (means of documents, then of queries), pair and direction accuracy (of pairs, then of groups), nDCG@10."""
    random = generator(seed, result.judged.name)
    moves = [one.p_mrr for one in result.scores]
    sums = {
        # Totals over groups and what they are divided by: a resampled group brings all its queries.
        P_MRR: (np.array([sum(one) for one in moves]), np.array([len(one) for one in moves], np.float64)),
        PAIR_ACCURACY: _present(result.columns[PAIR_ACCURACY]),
        DIRECTION_ACCURACY: _present(result.columns[DIRECTION_ACCURACY]),
    }
    stacked = np.stack([column for pair in sums.values() for column in pair], axis=1)
    draws = resampled_means(stacked, resamples, random)
    figures: Figures = {}
    for number, (name, (total, weight)) in enumerate(sums.items()):
        if weight.any():
            drawn = _ratio(draws[:, 2 * number], draws[:, 2 * number + 1])
            figures[name] = Estimate(100 * float(total.sum() / weight.sum()), 100 * drawn)
    for condition, values in result.ndcg.items():
        drawn = resampled_means(values[:, None], resamples, random)[:, 0]
        figures[f"{condition}/{NDCG}"] = Estimate(100 * float(values.mean()), 100 * drawn)
    return figures


def _present(values: Floats) -> tuple[Floats, Floats]:
    """Values with 0 for those that are not there, and 1 for those that are."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0), there.astype(np.float64)


def _ratio(total: Floats, weight: Floats) -> Floats:
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
