"""Mined negatives: which documents, of which kind, with which score; and never a right answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tart.documents import Document
from tart_train.card import Card
from tart_train.dataset import RetrievalSet
from tart_train.examples import DataError, Example
from tart_train.families import family
from tart_train.hold_out import HoldOut
from tart_train.negatives import Answers, EmbeddedSet, NegativeSettings, RowMiner, nearest
from tart_train.sampled import SampledSet, SamplingLimits, sample, text_key
from tests.train.mining_sets import WordEncoder, write_set

FRUIT = {
    "d0": "red apples grow on trees",
    "d1": "Red APPLES grow on trees!",
    "d2": "apples grow on trees in autumn",
    "d3": "green pears grow on trees",
    "d4": "apples are sold on markets",
    "d5": "ships sail the sea",
}
ASKED = {"q0": "red apples trees", "q1": "ships sea", "q2": "pears grow"}
JUDGED = [("q0", "d0", 2), ("q0", "d5", 0), ("q1", "d5", 1), ("q2", "d3", 1), ("q2", "d2", 0), ("q2", "d0", 0)]
OTHER = {
    "e0": "a table of red apples",
    "e1": "red apples grow on trees",
    "e2": "a table of ships",
    "e3": "pears and grow lights",
    "e4": "where red apples trees",
}


def embedded(folder: Path, limits: SamplingLimits | None = None, hold_out: HoldOut | None = None) -> EmbeddedSet:
    one = sample(RetrievalSet.open(folder), limits or SamplingLimits(), hold_out or HoldOut())
    encoder = WordEncoder()
    return EmbeddedSet(
        one, encoder.encode_documents(one.documents), encoder.encode_queries([q.text for q in one.queries])
    )


@pytest.fixture
def sets(tmp_path: Path) -> list[EmbeddedSet]:
    fruit = write_set(tmp_path, "fruit", FRUIT, ASKED, JUDGED)
    other = write_set(tmp_path, "other", OTHER, {"q0": "red apples trees!"}, [("q0", "e4", 1)], unit="table")
    third = write_set(tmp_path, "third", {"f0": "red apples grow"}, {"q0": "x"}, [("q0", "f0", 1)], unit="note")
    return [embedded(folder) for folder in (fruit, other, third)]


def mined(sets: Sequence[EmbeddedSet], settings: NegativeSettings, **more: object) -> dict[str, Example]:
    answers = Answers.of([one.sampled for one in sets])
    return {row.id: row for row in RowMiner(sets, settings, answers, **more).rows(sets[0])}  # type: ignore[arg-type]


def kinds(row: Example, kind: str) -> list[str]:
    return [negative.id.rpartition(":")[2] for negative in row.negatives if negative.kind == kind]


def test_rows_have_the_three_kinds(sets: list[EmbeddedSet]) -> None:
    rows = mined(sets, NegativeSettings(judged=2, hard=2, unfollowing=2))
    assert set(rows) == {"fruit:q0", "fruit:q1", "fruit:q2"}
    first = rows["fruit:q0"]
    assert first.positives == ("fruit:d0",)
    assert (first.task, first.group, first.instructions) == ("fruit", "", ())
    assert kinds(first, "judged") == ["d5"]
    # d1 is the positive in other letters, e1 its copy, and e4 answers the same query in another set.
    assert not {"d1", "e1", "e4"} & {negative.id.rpartition(":")[2] for negative in first.negatives}
    assert kinds(first, "unfollowing")[0] in ("f0", "e0")
    assert len(kinds(first, "unfollowing")) == 2
    assert kinds(rows["fruit:q2"], "judged") == ["d0", "d2"]


def test_hard_negatives_are_the_nearest_below_a_share_of_the_positive(sets: list[EmbeddedSet]) -> None:
    fruit = sets[0]
    rows = mined(sets, NegativeSettings(judged=0, hard=9, unfollowing=0, below=0.9))
    for number, query in enumerate(fruit.sampled.queries):
        scores = fruit.documents @ fruit.queries[number]
        right = {text_key(fruit.sampled.documents[row].text) for row in query.positives}
        best = max(float(scores[row]) for row in query.positives)
        ceiling = best - 0.1 * abs(best)
        expected = []
        for row in sorted(range(len(scores)), key=lambda row: -float(scores[row])):
            text = text_key(fruit.sampled.documents[row].text)
            if scores[row] <= ceiling and text not in right:
                right.add(text)
                expected.append((fruit.sampled.documents[row].id, float(scores[row])))
        found = [(negative.id, negative.score) for negative in rows[f"fruit:{query.id}"].negatives]
        assert [one for one, _ in found] == [one for one, _ in expected]
        assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_a_lost_positive_takes_negatives_from_where_it_may_be(tmp_path: Path) -> None:
    documents = {f"d{n}": f"red apples number{n}" for n in range(40)} | {"far": "something else entirely"}
    one = embedded(write_set(tmp_path, "s", documents, {"q": "red apples"}, [("q", "far", 1)]))
    scores = one.documents @ one.queries[0]
    ranked = [f"s:d{row}" for row in np.argsort(-scores[:40], kind="stable")]
    row = mined([one], NegativeSettings(hard=3))["s:q"]
    assert [negative.id for negative in row.negatives] == ranked[19:22]


class Judge:
    """A cross-encoder that knows."""

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores
        self.asked: list[tuple[str, str]] = []

    def score(self, query: str, instruction: str, documents: Sequence[Document]) -> list[float]:
        self.asked.append((query, instruction))
        return [self.scores.get(document.id.rpartition(":")[2], 0.5) for document in documents]


def test_a_reranker_denoises(sets: list[EmbeddedSet]) -> None:
    judge = Judge({"d2": 0.95, "d3": 0.05, "d4": 0.02, "d5": 0.01})
    rows = mined(
        sets, NegativeSettings(judged=0, hard=2, unfollowing=0), reranker=judge, instructions={"fruit": ["Find fruit"]}
    )
    first = rows["fruit:q0"]
    assert first.positives == ("fruit:d0", "fruit:d2")
    assert {(one.id, one.kind, one.score) for one in first.negatives} == {
        ("fruit:d3", "hard", 0.05),
        ("fruit:d4", "hard", 0.02),
    }
    assert judge.asked[0] == ("red apples trees", "Find fruit")
    unsure = mined(sets, NegativeSettings(judged=0, hard=2, unfollowing=0), reranker=Judge({}))
    assert all(row.negatives == () for row in unsure.values())


def test_no_unfollowing_negatives_within_a_family(sets: list[EmbeddedSet]) -> None:
    same = [sets[0], *(one._replace(sampled=_as(one.sampled, sets[0].sampled.card)) for one in sets[1:])]
    rows = mined(same, NegativeSettings(unfollowing=3))
    assert not any(kinds(row, "unfollowing") for row in rows.values())
    assert family(Card("nl2bash")) == family(Card("tldr_example"))
    assert family(Card("a", domain="x", unit="table")) != family(Card("b", domain="x", unit="row"))


def _as(one: SampledSet, card: Card) -> SampledSet:
    return SampledSet(one.name, Card(one.name, domain=card.domain, unit=card.unit), one.documents, one.queries)


def test_sampling_is_by_seed_and_holds_out(tmp_path: Path) -> None:
    documents = {f"d{n}": {"text": f"text {n}", "metadata": {"focus": f"topic {n}"}} for n in range(60)}
    queries = {f"q{n}": {"text": f"query {n}", "metadata": {"focus": f"topic {n}"}} for n in range(30)}
    folder = write_set(tmp_path, "s", documents, queries, [(f"q{n}", f"d{n}", 1) for n in range(30)])
    hold_out = HoldOut(frozenset({"topic3"}), share=0)
    taken = [embedded(folder, SamplingLimits(10, 5, seed), hold_out).sampled for seed in (0, 0, 1)]
    assert taken[0] == taken[1]
    assert taken[0].queries != taken[2].queries
    assert (len(taken[0].queries), len(taken[0].documents), taken[0].left_out) == (10, 15, 1)
    everything = embedded(folder, SamplingLimits(99, 99), hold_out).sampled
    assert "q3" not in {query.id for query in everything.queries}
    assert len(everything.documents) == 59
    for query in everything.queries:
        assert [everything.documents[row].id for row in query.positives] == [f"s:d{query.id[1:]}"]


@pytest.mark.parametrize("values", [{"hard": -1}, {"low": 0.9, "high": 0.1}, {"below": 0.0}])
def test_refuses_settings_that_make_no_sense(values: dict[str, float]) -> None:
    with pytest.raises(DataError):
        NegativeSettings(**values)  # type: ignore[arg-type]


def test_nearest_leaves_out_what_was_ruled_out() -> None:
    scores = np.array([0.1, -np.inf, 0.5, 0.5, 0.3], np.float32)
    assert nearest(scores, 3) == [2, 3, 4]
    assert nearest(scores, 9) == [2, 3, 4, 0]
    assert nearest(scores[:0], 3) == []
