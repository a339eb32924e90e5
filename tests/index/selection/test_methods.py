"""Every method against a plain rewriting of its definition."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart import Document, Encoder
from tart.errors import QueryError
from tart_index.selection import Selection, SelectionOptions, select, select_run
from tests.index.selection.conftest import pool_rows, target_rows


def similarities(
    encoder: Encoder, rows: list[dict[str, Any]], like: list[dict[str, Any]]
) -> dict[tuple[str, str], float]:
    """The similarity of each target with each row, by their ids."""
    pool = encoder.encode_documents(Document(row["_id"], row["input"]) for row in rows)
    asked = encoder.encode_documents(Document(row["id"], row["input"]) for row in like)
    return {
        (target["id"], row["_id"]): float(np.float32(score))
        for target, scores in zip(like, asked @ pool.T, strict=True)
        for row, score in zip(rows, scores, strict=True)
    }


def nearest(scores: dict[tuple[str, str], float], target: str, k: int) -> list[str]:
    found = [(-round(score, 5), row) for (one, row), score in scores.items() if one == target]
    return [row for _, row in sorted(found)[:k]]


def choose(halves: Encoder, options: SelectionOptions, rows: int = 40, like: int = 5) -> Selection:
    return select(pool_rows(rows), target_rows(like), options, encoder=halves)


@pytest.mark.parametrize("k", [1, 3, 39, 40, 500])
def test_deft_is_the_union_with_counts(halves: Encoder, k: int) -> None:
    rows, like = pool_rows(40), target_rows(5)
    scores = similarities(halves, rows, like)
    counts = Counter(row for target in like for row in nearest(scores, target["id"], k))
    chosen = choose(halves, SelectionOptions(neighbours=k)).chosen
    assert {one.id: one.count for one in chosen} == counts
    assert [one.rank for one in chosen] == list(range(1, len(counts) + 1))
    order = [(-one.count, -round(one.score or 0, 5), one.id) for one in chosen]
    assert order == sorted(order)
    for one in chosen:
        best = max(score for (_, row), score in scores.items() if row == one.id)
        assert one.score == pytest.approx(best, abs=1e-5)


def test_rds_takes_the_highest_scores(halves: Encoder) -> None:
    rows, like = pool_rows(40), target_rows(5)
    scores = similarities(halves, rows, like)
    best = {row["_id"]: max(scores[target["id"], row["_id"]] for target in like) for row in rows}
    wanted = sorted(best, key=lambda row: (-round(best[row], 5), row))[:12]
    chosen = choose(halves, SelectionOptions(method="rds", budget=12)).chosen
    assert [one.id for one in chosen] == wanted
    for one in chosen:
        holders = [target["id"] for target in like if round(scores[target["id"], one.id], 5) == round(best[one.id], 5)]
        assert one.target == min(holders)


@pytest.mark.parametrize("budget", [1, 7, 1_000])
def test_round_robin_lets_each_target_take_its_next_best(halves: Encoder, budget: int) -> None:
    rows, like = pool_rows(40), target_rows(5)
    scores = similarities(halves, rows, like)
    lists = {target["id"]: nearest(scores, target["id"], 6) for target in like}
    wanted: list[str] = []
    while any(lists.values()):
        for candidates in lists.values():
            while candidates and candidates[0] in wanted:
                candidates.pop(0)
            if candidates:
                wanted.append(candidates.pop(0))
    chosen = choose(halves, SelectionOptions(method="round-robin", neighbours=6, budget=budget))
    assert chosen.ids == wanted[:budget]
    if budget > len(wanted):
        assert chosen.notes[0].startswith(f"round-robin: {len(wanted)} rows instead of 1,000")


def test_turns_over_tasks(halves: Encoder) -> None:
    rows, like = pool_rows(40), target_rows(5)
    scores = similarities(halves, rows, like)
    lists = []
    for task in ("skill-0", "skill-1"):
        best: dict[str, float] = defaultdict(lambda: -1.0)
        for target in (one for one in like if one["task"] == task):
            for row in nearest(scores, target["id"], 6):
                best[row] = max(best[row], scores[target["id"], row])
        lists.append(sorted(best, key=lambda row: (-round(best[row], 5), row)))
    wanted: list[str] = []
    while any(lists):
        for candidates in lists:
            while candidates and candidates[0] in wanted:
                candidates.pop(0)
            if candidates:
                wanted.append(candidates.pop(0))
    options = SelectionOptions(method="round-robin", over="tasks", neighbours=6)
    assert choose(halves, options).ids == wanted


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1_000), budget=st.integers(1, 60))
def test_balanced_takes_as_many_of_every_task(seed: int, budget: int) -> None:
    chosen = select(pool_rows(31), ["any"], SelectionOptions(method="balanced", budget=budget, seed=seed))
    counts = Counter(one.task for one in chosen.chosen)
    assert len(chosen.chosen) == len(set(chosen.ids)) == min(budget, 31)
    if budget <= 30:
        assert max(counts.values()) - min(counts.get(f"task-{n}", 0) for n in range(3)) <= 1
    assert all(one.score is None and one.target is None and one.count == 0 for one in chosen.chosen)


def test_random_depends_on_the_seed_and_not_on_the_order_of_the_pool() -> None:
    rows = pool_rows(40)
    first, again, turned, other = (
        select(given, ["any"], SelectionOptions(method="random", budget=15, seed=seed)).ids
        for given, seed in ((rows, 1), (rows, 1), (rows[::-1], 1), (rows, 2))
    )
    assert first == again == turned
    assert first != other
    assert len(set(first)) == 15


def test_the_order_of_pool_and_target_does_not_matter(halves: Encoder) -> None:
    rows, like = pool_rows(40), target_rows(5)
    options = SelectionOptions(neighbours=5)
    one = select(rows, like, options, encoder=halves)
    other = select(rows[::-1], like[::-1], options, encoder=halves)
    assert [(c.id, c.count, c.target) for c in one.chosen] == [(c.id, c.count, c.target) for c in other.chosen]


def test_bm25_scores_as_the_formula_does() -> None:
    rows = ["red apple", "green apple tree", "a boat", "red red boat"]
    chosen = select(rows, ["red boat"], SelectionOptions(method="bm25")).chosen
    # Lucene's BM25 with k1 = 1.5 and b = 0.75, by hand.
    lengths, mean = [2, 3, 2, 3], 2.5
    holds = {"red": {0: 1, 3: 2}, "boat": {2: 1, 3: 1}}
    wanted: dict[int, float] = defaultdict(float)
    for found in holds.values():
        idf = np.log(1 + (4 - len(found) + 0.5) / (len(found) + 0.5))
        for row, times in found.items():
            wanted[row] += idf * times / (times + 1.5 * (0.25 + 0.75 * lengths[row] / mean))
    assert {one.row: one.score for one in chosen} == {
        row: pytest.approx(score, rel=1e-4) for row, score in wanted.items()
    }
    assert [one.row for one in chosen] == sorted(wanted, key=lambda row: (-round(wanted[row], 5), row))


def test_bm25_looks_further_until_there_are_enough() -> None:
    rows = [f"red {number}" for number in range(30)] + ["blue"]
    chosen = select(rows, ["red", "red"], SelectionOptions(method="bm25", neighbours=2, budget=29))
    assert len(chosen.ids) == len(set(chosen.ids)) == 29
    short = select(rows, ["red"], SelectionOptions(method="bm25", neighbours=2, budget=31))
    assert len(short.ids) == 30
    assert short.notes[0].startswith("bm25: 30 rows instead of 31")


@pytest.mark.parametrize(("structure", "name"), [("hnsw", "HNSW32,Flat"), ("ivf", "IVF1,Flat"), ("Flat", "Flat")])
def test_an_approximate_structure_tells_its_recall(
    halves: Encoder, asking: Callable[..., Any], structure: str, name: str
) -> None:
    scores = similarities(halves, pool_rows(40), target_rows(5))
    with select_run(asking(SelectionOptions(neighbours=5, ann=structure))) as run:
        assert run.recall is not None
        assert (run.recall.structure, run.recall.k, run.recall.targets) == (name, 5, 5)
        # So few rows are all looked at.
        assert run.recall.recall == 1.0
        for one in run.selection.chosen:
            assert one.score == max(score for (_, row), score in scores.items() if row == one.id)
            assert one.target is not None
            assert one.score == scores[one.target, one.id]


def test_a_structure_that_faiss_does_not_know_is_refused(halves: Encoder) -> None:
    with pytest.raises(QueryError, match=r"ann 'Sponge7' cannot be built on 40 rows .* try ivf or hnsw"):
        choose(halves, SelectionOptions(ann="Sponge7"))


def test_with_an_instruction_targets_are_queries(encoder: Encoder) -> None:
    rows = ["sort a list in Python", "the history of Rome", "merge two dictionaries"]
    options = SelectionOptions(method="rds", budget=3, instruction="Find the same skill")
    chosen = select(rows, ["order the items of a list"], options, encoder=encoder).chosen
    vector = encoder.encode_queries(["order the items of a list"], ["Find the same skill"])[0]
    pool = encoder.encode_documents(Document(str(n), text) for n, text in enumerate(rows))
    assert {one.row: one.score for one in chosen} == {
        row: pytest.approx(float(score), abs=1e-5) for row, score in enumerate(pool @ vector)
    }
