"""Rankings against brute force, and the figures of single queries against numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tart_train.evaluation.measures import NDCG, RECALL, SUCCESS, Judge, robustness, spread, wrong_task
from tart_train.evaluation.ranking import all_keys, best, id_places, nearest, pack, places_of, ranks, scores_of


@pytest.mark.parametrize("k", [1, 7, 100, 500])
def test_nearest_is_a_sort_by_score_then_id(k: int) -> None:
    random = np.random.default_rng(5)
    # Eighths multiply without rounding, and few values make many ties.
    documents, queries = ((random.integers(-2, 3, (count, 4)) / 8).astype(np.float32) for count in (300, 9))
    ids = [f"d{number}" for number in random.permutation(300)]
    places = id_places(ids)
    found = nearest(queries, [documents[:120], documents[120:121], documents[121:]], places, k)
    continued = nearest(queries, [documents[:50]], places[:50], k)
    assert (nearest(queries, [documents[50:]], places[50:], k, continued) == found).all()
    for row, keys in zip((queries @ documents.T).tolist(), found, strict=True):
        wanted = sorted(range(300), key=lambda number: (-row[number], ids[number]))[:k]
        assert places_of(keys).tolist() == places[wanted].tolist()
        assert scores_of(keys) == pytest.approx([row[number] for number in wanted], abs=1e-6)


def test_equal_scores_stand_in_the_order_of_their_ids() -> None:
    places = id_places(["b", "c", "a"])
    assert places.tolist() == [1, 2, 0]
    keys = pack(np.array([[0.5, 0.5, 0.5], [-0.25, 0.75, -0.25]]), places)
    assert places_of(best(keys, 3)).tolist() == [[0, 1, 2], [2, 0, 1]]
    assert scores_of(best(keys, 2)).tolist() == [[0.5, 0.5], [0.75, -0.25]]
    assert ranks(keys[0], np.array([0, 1, 2])).tolist() == [2, 3, 1]


def test_all_keys_hold_every_document_in_corpus_order() -> None:
    documents = np.eye(3, dtype=np.float32)
    keys = all_keys(documents[1:2], [documents[:2], documents[2:]], id_places(["z", "y", "x"]))
    assert scores_of(keys).tolist() == [[0, 1, 0]]
    assert places_of(keys).tolist() == [[2, 1, 0]]


def test_figures_of_a_query_by_hand() -> None:
    judge = Judge(["q", "r"], {"q": {"a": 2, "b": 1, "c": 0}, "r": {"a": 1}})
    values = judge([["x", "b", "a"], ["1", "2", "3", "4", "5", "a"]])
    ideal = 2 + 1 / math.log2(3)
    assert values[NDCG] == pytest.approx([(1 / math.log2(3) + 2 / 2) / ideal, 1 / math.log2(7)])
    assert values[RECALL].tolist() == [1, 1]
    assert values[SUCCESS].tolist() == [1, 0]


def test_the_order_given_is_the_order_judged() -> None:
    """By itself trec_eval puts equal scores into the reverse order of their ids."""
    judge = Judge(["q"], {"q": {"a": 1}})
    assert judge([["a", "b", "c"]])[NDCG].tolist() == [1]
    assert judge([[]])[NDCG].tolist() == [0]


def test_share_of_another_task() -> None:
    own = np.ones((2, 12), np.bool_)
    own[0, [0, 3, 11]] = False
    assert wrong_task(own) == pytest.approx([0.2, 0])
    assert wrong_task(own[:, :4]) == pytest.approx([0.5, 0])


def test_robustness_is_the_worst_wording_of_each_query() -> None:
    assert robustness(np.array([[0.5, 0.9], [0.7, 0.1], [0.6, 0.4]])).tolist() == [0.5, 0.1]


def test_spread_by_hand() -> None:
    deviation, ratio = spread(np.array([[40.0, 50.0, 60.0], [0.0, 0.0, 0.0]]))
    assert deviation == pytest.approx([math.sqrt(200 / 3), 0])
    assert ratio == pytest.approx([math.sqrt(200 / 3) / 50, 0])
