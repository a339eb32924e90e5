"""What became of one set: every query's value under every condition, closed and pooled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tart_train.evaluation.conditions import Plan
from tart_train.evaluation.corpora import Corpora
from tart_train.evaluation.measures import NDCG, WRONG_TASK, Judge, robustness, wrong_task
from tart_train.evaluation.ranking import Keys
from tart_train.evaluation.vectors import InstructedQuery, VectorStore

CLOSED, POOLED = "closed", "pooled"
SCOPES = (CLOSED, POOLED)
ROBUSTNESS = "robustness@10"


@dataclass(frozen=True, slots=True)
class SetResult:
    """Values of single queries.

    Attributes:
        plan: What was asked.
        columns: ``condition/scope/measure`` -> shape: (n_queries,), 0 to 1.
        keys: ``condition/scope`` -> the ranking, for the run files and the reranker.
    """

    plan: Plan
    columns: Mapping[str, NDArray[np.float64]]
    keys: Mapping[str, Keys] = field(repr=False)

    @property
    def name(self) -> str:
        """Of the set."""
        return self.plan.judged.name


def evaluate_set(corpora: Corpora, own: int, plan: Plan, store: VectorStore, depth: int) -> SetResult:
    """Encodes a set's distinct queries, ranks and judges them under every condition."""
    judged = plan.judged
    distinct: dict[InstructedQuery, int] = {}
    rows = {
        condition: np.array([distinct.setdefault(asked, len(distinct)) for asked in _asked(plan, condition)])
        for condition in plan.conditions
    }
    vectors = store.queries(judged.name, list(distinct))
    with store.steps.step(f"search of {judged.name}", len(distinct)) as step:
        found = corpora.nearest(own, vectors, depth)
        step.done(len(distinct))
    keys = {
        f"{condition}/{scope}": scope_keys[rows[condition]]
        for condition in plan.conditions
        for scope, scope_keys in zip(SCOPES, found, strict=True)
    }
    with store.steps.step(f"judging of {judged.name}", len(keys)) as step:
        columns = judged_columns(corpora, own, plan, keys, step.done)
    _add_robustness(columns, plan.paraphrases)
    return SetResult(plan, columns, keys)


def _asked(plan: Plan, condition: str) -> list[InstructedQuery]:
    instructions = plan.instructions(condition)
    return [
        InstructedQuery(instruction, query.text)
        for instruction, query in zip(instructions, plan.judged.queries, strict=True)
    ]


def judged_columns(
    corpora: Corpora, own: int, plan: Plan, keys: Mapping[str, Keys], done: object = None
) -> dict[str, NDArray[np.float64]]:
    """Each measure of each ranking; see `SetResult.columns`."""
    judge = Judge([query.id for query in plan.judged.queries], plan.judged.grades)
    columns: dict[str, NDArray[np.float64]] = {}
    for name, ranking in keys.items():
        for measure, values in judge(corpora.rankings(own, ranking)).items():
            columns[f"{name}/{measure}"] = values
        if name.endswith(f"/{POOLED}"):
            columns[f"{name}/{WRONG_TASK}"] = wrong_task(corpora.owned(own, ranking))
        if callable(done):
            done(1)
    return columns


def _add_robustness(columns: dict[str, NDArray[np.float64]], paraphrases: Sequence[str]) -> None:
    for scope in SCOPES:
        values = np.stack([columns[f"{condition}/{scope}/{NDCG}"] for condition in paraphrases])
        columns[f"paraphrases/{scope}/{ROBUSTNESS}"] = robustness(values)
