"""What may not be chosen."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from tart import Document, Encoder
from tart.errors import QueryError
from tart_index.selection import Selection, SelectionOptions, select
from tart_index.selection.candidates import Candidate
from tart_index.selection.diversity import diverse
from tests.index.selection.conftest import pool_rows, target_rows


def choose(halves: Encoder, **options: Any) -> Selection:
    against = options.pop("against", ())
    rows = options.pop("rows", None) or pool_rows(40)
    return select(rows, target_rows(5), SelectionOptions(**options), encoder=halves, against=against)


def test_a_task_gives_no_more_than_its_cap(halves: Encoder) -> None:
    free = choose(halves, method="rds", budget=40)
    capped = choose(halves, method="rds", budget=40, per_task=4)
    assert Counter(one.task for one in capped.chosen) == {"task-0": 4, "task-1": 4, "task-2": 4}
    seen: Counter[str | None] = Counter()
    wanted = []
    for one in free.chosen:
        seen[one.task] += 1
        if seen[one.task] <= 4:
            wanted.append(one.id)
    assert capped.ids == wanted
    assert capped.dropped == {"task has enough rows": 28}


def test_a_capped_target_takes_its_next_best_row(halves: Encoder) -> None:
    chosen = choose(halves, method="round-robin", neighbours=40, per_task=2)
    assert len(chosen.ids) == 6


def test_equal_rows_come_once(halves: Encoder) -> None:
    rows = pool_rows(40)
    rows[7] |= {"input": rows[6]["input"].upper() + " !", "target": rows[6]["target"]}
    unique = {(row["input"].upper().strip(" !"), row["target"]) for row in rows}
    chosen = choose(halves, rows=rows, method="rds", budget=40, drop_duplicates=True)
    by_id = {row["_id"]: row for row in rows}
    kept = [(by_id[one]["input"].upper().strip(" !"), by_id[one]["target"]) for one in chosen.ids]
    assert len(kept) == len(set(kept)) == len(unique)
    assert chosen.dropped == {"duplicate": 40 - len(unique)}


def test_near_duplicates_are_left_out_greedily(halves: Encoder) -> None:
    rows = pool_rows(40)
    vectors = {row["_id"]: v for row, v in zip(rows, halves.encode_documents(_documents(rows)), strict=True)}
    wanted: list[str] = []
    for one in choose(halves, method="rds", budget=40).ids:
        if all(vectors[one] @ vectors[other] < 0.5 for other in wanted):
            wanted.append(one)
    assert choose(halves, method="rds", budget=40, near_duplicates=0.5).ids == wanted
    assert len(wanted) < 40


def test_rows_of_the_target_are_told_of_and_left_out(halves: Encoder) -> None:
    rows = pool_rows(40)
    rows[3]["input"] = target_rows(5)[0]["input"].upper()
    told = choose(halves, rows=rows, method="rds", budget=40)
    assert told.notes == ("1 chosen rows have the input of a target example; --exclude-targets leaves such rows out",)
    chosen = choose(halves, rows=rows, method="rds", budget=39, exclude_targets=True)
    assert set(chosen.ids) == {row["_id"] for row in rows} - {rows[3]["_id"]}
    assert chosen.dropped == {"input of a target": 1}


def test_what_an_evaluation_set_has_is_left_out(halves: Encoder) -> None:
    rows = pool_rows(40)
    rows[0]["input"] = "it says: one two three four five, and more"
    rows[1]["target"] = "One-two three. FOUR five"
    rows[2]["input"] = "Short one!"
    rows[3]["input"] = "one two three four, then five"
    test_set = ["zero one two three four five six", "short ONE"]
    chosen = choose(halves, rows=rows, method="rds", budget=40, ngram=5, against=[test_set])
    assert set(chosen.ids) == {row["_id"] for row in rows} - {rows[n]["_id"] for n in (0, 1, 2)}
    assert chosen.dropped == {"words of an evaluation set": 3}


def test_what_is_near_to_an_evaluation_set_is_left_out(halves: Encoder) -> None:
    rows = pool_rows(40)
    held_out = [rows[5]["input"] + " date"]
    near = halves.encode_documents(_documents(rows)) @ halves.encode_documents([Document("0", held_out[0])])[0]
    chosen = choose(halves, method="random", budget=40, against=[held_out], against_similarity=0.25)
    assert set(chosen.ids) == {row["_id"] for row, score in zip(rows, near, strict=True) if score < 0.25}
    assert 0 < len(chosen.ids) < 40


def test_diversity_is_maximal_marginal_relevance() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((30, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    candidates = [Candidate(row, 1 - row / 100, 1, 0) for row in range(30)]
    taken: list[int] = []
    for _ in range(12):
        gains = {
            row: 0.4 * candidates[row].score - 0.6 * max((float(vectors[row] @ vectors[t]) for t in taken), default=0)
            for row in range(30)
            if row not in taken
        }
        taken.append(max(gains, key=lambda row: (gains[row], -row)))
    assert [one.row for one in diverse(candidates, vectors, 0.6, 12)] == taken
    assert [one.row for one in diverse(candidates, vectors, 0.0, 5)] == [0, 1, 2, 3, 4]
    assert len(diverse(candidates, vectors, 0.5, 99)) == 30


def test_a_diverse_selection_is_made_of_the_best_candidates(halves: Encoder) -> None:
    plain = choose(halves, method="rds", budget=20).ids
    chosen = choose(halves, method="rds", budget=5, diversity=0.7)
    assert set(chosen.ids) <= set(plain)
    assert chosen.ids != plain[:5]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "nearest"}, "there is no method 'nearest'; wanted one of deft, rds"),
        ({"method": "rds"}, "method rds ranks without an end; say how many"),
        ({"neighbours": 0}, "neighbours is 0; wanted 1 or more"),
        ({"budget": -3}, "budget is -3; wanted 1 or more"),
        ({"diversity": 0.5}, "diversity ranks without an end"),
        ({"diversity": 1.5, "budget": 3}, "diversity is 1.5; wanted 0 to 1"),
        ({"over": "rows"}, "no round-robin over 'rows'; wanted targets or tasks"),
        ({"over": "tasks"}, "method deft takes no turns"),
        ({"method": "bm25", "instruction": "x"}, "method bm25 reads no instruction"),
        ({"method": "rds", "budget": 1, "ann": "ivf"}, "method rds has no use for an approximate structure"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        SelectionOptions(**options)


def _documents(rows: list[dict[str, Any]]) -> list[Document]:
    return [Document(row["_id"], row["input"]) for row in rows]
