"""Constraints: what the rows say is true of their documents, by predicates that are written anew here."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart.documents import Document
from tart.normal import words
from tart_train.card import Card
from tart_train.constraint_wordings import CLAUSES, constraint_wordings
from tart_train.constraints import KINDS, Constraint, Topic, constraint_groups, constraint_rows
from tart_train.examples import NEGATIVE_KINDS
from tart_train.sampled import SampledQuery, SampledSet

SENTENCES = (
    "The river rises in the hills.",
    "In 1987 the bridge was built by Dr Smith.",
    "It fell in 2005, 18 years later!",
    "Who paid for it?",
    "- stone - wood - steel",
    'They called it "the long arch" for years.',
    "The World Health Organization (WHO) came.",
    "Salmon return each autumn to spawn in gravel.",
    "Boats carry timber and salt down to the harbour.",
)
texts = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=14).map(" ".join)


def text_of(document: Document) -> str:
    return f"{document.title} {document.text}".strip()


def years(text: str) -> list[int]:
    return [int(token) for token in re.findall(r"\b\d{4}\b", text)]


INDEPENDENT = {
    "mentions": lambda d, value: value.casefold() in words(text_of(d)),
    "number": lambda d, _: re.search(r"\d", text_of(d)) is not None,
    "year": lambda d, _: bool(years(text_of(d))),
    "list": lambda d, _: text_of(d).count("- ") > 1,
    "question": lambda d, _: "?" in text_of(d),
    "quotation": lambda d, _: text_of(d).count('"') > 1,
    "abbreviation": lambda d, _: "(WHO)" in text_of(d),
    "shorter": lambda d, value: len(text_of(d).split()) < int(value),
    "one sentence": lambda d, _: sum(d.text.count(mark) for mark in ".!?") + (d.text[-1] not in ".!?") <= 1,
    "after": lambda d, value: max(years(text_of(d))) > int(value),
}


def sampled(bodies: list[str]) -> SampledSet:
    documents = [Document(f"s:d{n}", body, "", {"page": "The River"}) for n, body in enumerate(bodies)]
    queries = [SampledQuery("q", "what of the river", {}, tuple(range(len(documents))), ())]
    return SampledSet("s", Card("s"), documents, queries)


@settings(max_examples=40, deadline=None)
@given(st.lists(texts, min_size=2, max_size=8, unique=True), st.integers(0, 5))
def test_every_row_is_true(bodies: list[str], seed: int) -> None:
    one = sampled(bodies)
    documents = {document.id: document for document in one.documents}
    rows = list(constraint_groups(one, ["Find text on this"], 10, seed))
    groups: dict[str, list[bool]] = {}
    for row in rows:
        kind, value, side = row.id.rsplit(":", 3)[1:]
        assert row.task == kind
        wanted = side == "yes"
        groups.setdefault(row.group, []).append(wanted)
        assert all(INDEPENDENT[kind](documents[one_id], value) == wanted for one_id in row.positives)
        assert all(INDEPENDENT[kind](documents[negative.id], value) != wanted for negative in row.negatives)
        assert {negative.kind for negative in row.negatives} == {"polarity"}
        assert len(set(row.instructions)) == len(row.instructions) == 8
    assert all(sorted(sides) == [False, True] for sides in groups.values())
    assert rows == list(constraint_groups(one, ["Find text on this"], 10, seed))


def test_polarity_is_a_kind_of_negative() -> None:
    assert "polarity" in NEGATIVE_KINDS


@pytest.mark.parametrize(
    ("constraint", "text", "holds"),
    [
        (Constraint("mentions", "River"), "A river runs.", True),
        (Constraint("mentions", "river"), "Nothing here.", False),
        (Constraint("mentions", "river"), "Two rivers run.", None),
        (Constraint("mentions", "river"), "word " * 200 + "river", None),
        (Constraint("number"), "word " * 200 + "7", None),
        (Constraint("year"), "It cost 1,987 and 1999% of 2000.5", False),
        (Constraint("after", "1990"), "From 1980 to 1995.", True),
        (Constraint("after", "1990"), "From 1980 on.", False),
        (Constraint("after", "1990"), "Long ago.", None),
        (Constraint("shorter", "10"), "one two three", True),
        (Constraint("shorter", "10"), "w " * 10, None),
        (Constraint("shorter", "10"), "w " * 30, False),
        (Constraint("one sentence"), "One. Two. Three.", False),
        (Constraint("one sentence"), "One. Two.", None),
        (Constraint("one sentence"), "Dr. J. K. Row met Mr. Fig et al. there", True),
        (Constraint("one sentence"), "Here is one. - stone - wood", None),
        (Constraint("list"), "- one\n- two", True),
        (Constraint("question"), "Why (or when)? Nobody knows.", True),
        (Constraint("question"), "GET index/search?size=1", None),
        (Constraint("quotation"), "It's the dog's bone", False),
        (Constraint("quotation"), "They say 'the long one' here", None),
    ],
)
def test_a_close_call_is_neither(constraint: Constraint, text: str, holds: bool | None) -> None:
    assert constraint.holds(Document("d", text)) is holds


@pytest.mark.parametrize("kind", KINDS)
def test_both_polarities_are_worded_in_many_ways(kind: str) -> None:
    assert set(CLAUSES) == set(KINDS)
    yes, no = CLAUSES[kind]
    assert min(len(set(yes)), len(set(no))) >= 8
    assert not set(yes) & set(no)
    chance = random.Random(0)
    made = [
        constraint_wordings(kind, "12", chance, wanted=wanted, base=["Find an answer."]) for wanted in (True, False)
    ]
    assert not set(made[0]) & set(made[1])
    assert all("{" not in wording for each in made for wording in each)


def test_a_topic_that_nothing_divides_gives_no_row() -> None:
    documents = [Document("a", "Same words here."), Document("b", "Same words there.")]
    topic = Topic("t", "words", documents, base=False)
    assert constraint_rows("s", topic, Constraint("question"), (), random.Random(0)) == []
