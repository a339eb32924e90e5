"""p-MRR and pair accuracy by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tart_train.evaluation.contrast import contrast_groups, p_mrr, score_group
from tart_train.evaluation.judged_set import JudgedSet
from tart_train.evaluation.ranking import pack
from tart_train.examples import DataError
from tests.train.small_world import colours, write_set


@pytest.mark.parametrize(
    ("wanted", "other", "score"),
    [(1, 4, 0.75), (4, 1, -0.75), (3, 3, 0), (1, 1, 0), (2, 10, 0.8), (10, 2, -0.8), (1, 1000, 0.999)],
)
def test_p_mrr_of_a_document(wanted: int, other: int, score: float) -> None:
    assert p_mrr(np.array([wanted]), np.array([other])) == pytest.approx([score])


def scored(
    judged: JudgedSet, scores: dict[str, list[float]]
) -> tuple[list[tuple[float, ...]], list[float], list[float]]:
    """p-MRR, pair and direction accuracy of each group, from a table of scores by query."""
    found = []
    for group in contrast_groups(judged):
        table = np.array([scores[judged.queries[number].id] for number in group.queries])
        found.append(score_group(group, pack(table, np.arange(len(judged.ids)))))
    return [one.p_mrr for one in found], [one.pairs for one in found], [one.directions for one in found]


def test_a_table_of_scores(tmp_path: Path) -> None:
    judged = JudgedSet.open(colours(tmp_path))  # r1 g1 r2 g2 x
    moves, pairs, directions = scored(
        judged,
        {
            "apple-red": [0.9, 0.1, 0.5, 0.4, 0.3],  # r1 first, g1 fifth.
            "apple-green": [0.2, 0.8, 0.7, 0.6, 0.5],  # r1 fifth, g1 first.
            "plum-red": [0.1, 0.2, 0.8, 0.9, 0.3],  # r2 second, g2 first.
            "plum-green": [0.1, 0.2, 0.7, 0.9, 0.8],  # r2 third, g2 first.
        },
    )
    assert moves[0] == pytest.approx((1 - 1 / 5, 1 - 1 / 5))
    assert moves[1] == pytest.approx((1 - 2 / 3, 0))
    assert pairs == [1, 0]
    assert directions == [1, 0.5]


def test_a_model_that_does_not_read_instructions(tmp_path: Path) -> None:
    judged = JudgedSet.open(colours(tmp_path))
    blind = [0.3, 0.9, 0.5, 0.5, 0.1]
    moves, pairs, directions = scored(judged, dict.fromkeys((query.id for query in judged.queries), blind))
    assert moves == [(0, 0), (0, 0)]
    assert pairs == [0, 0]
    # Of a tie neither direction is right.
    assert directions == [0.5, 0]


def test_documents_of_one_query_count_once(tmp_path: Path) -> None:
    """Query A with two changed documents weighs as much as B with one."""
    folder = write_set(
        tmp_path / "three",
        {"a": "a", "b": "b", "c": "c", "d": "d"},
        {one: {"text": "t", "group": "g", "instruction": one} for one in ("A", "B")},
        {"A": {"a": 1, "b": 1, "c": 0}, "B": {"a": 0, "b": 0, "c": 1}},
    )
    judged = JudgedSet.open(folder)
    table = {"A": [0.9, 0.8, 0.1, 0.2], "B": [0.1, 0.8, 0.9, 0.2]}
    moves, pairs, directions = scored(judged, table)
    # a: first and fourth; b: second and second; c: fourth and first.
    assert moves == [pytest.approx((0.75 / 2, 0.75))]
    assert pairs == [1]
    assert directions == [1]


def test_facet_queries_of_one_text_are_a_group(tmp_path: Path) -> None:
    folder = write_set(
        tmp_path / "facets",
        {"a": "a", "b": "b"},
        {
            "A": {"text": "t", "metadata": {"side": "left"}},
            "B": {"text": "t", "metadata": {"side": "right"}},
            "C": {"text": "other", "metadata": {"side": "left"}},
        },
        {"A": {"a": 1, "b": 0}, "B": {"a": 0, "b": 1}, "C": {"a": 1}},
        facet_field="side",
    )
    (group,) = contrast_groups(JudgedSet.open(folder))
    assert group.queries == (0, 1)


def test_an_unjudged_document_is_no_contrast(tmp_path: Path) -> None:
    queries = {one: {"text": "t", "group": "g", "instruction": one} for one in ("A", "B")}
    folder = write_set(tmp_path / "s", {"a": "a", "b": "b"}, queries, {"A": {"a": 1}, "B": {"b": 1}})
    with pytest.raises(DataError, match="found no group of queries that disagree"):
        contrast_groups(JudgedSet.open(folder))


def test_a_group_of_two_texts_is_refused(tmp_path: Path) -> None:
    queries = {one: {"text": one, "group": "g", "instruction": one} for one in ("A", "B")}
    folder = write_set(tmp_path / "s", {"a": "a"}, queries, {"A": {"a": 1}, "B": {"a": 0}})
    with pytest.raises(DataError, match="wanted one text"):
        contrast_groups(JudgedSet.open(folder))
