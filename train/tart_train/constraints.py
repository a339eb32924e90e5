"""Rows with a constraint of their own, whose truth can be computed from the documents' text, in both polarities.

The model sees the beginning of a document only. So what must be there is there within the first words, and what must
not be there is nowhere; a document of which neither can be said belongs to neither side.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from tart.documents import Document
from tart.normal import words
from tart_train.constraint_wordings import constraint_wordings
from tart_train.examples import Example
from tart_train.groups import Member, group_rows, some
from tart_train.sampled import SampledSet

VISIBLE_WORDS = 90
_TOPIC_FIELDS = ("page", "focus", "tool", "entity")
_FEWEST, _MOST = 2, 12
_PER_TOPIC = 2
_MARGIN = 1.2
_COMMON = 0.005
"""Share of a set's documents; a word in more of them tells nothing."""
_YEAR = re.compile(r"(?<![\d.,-])(1[5-9]\d\d|20[0-4]\d)(?![\d%]|[.,-]\d)")
_LIST_ITEM = re.compile(r"(?:^|\s)(?:[-*•]|\d{1,2}[.)])\s+(?=\w)")
# Initials ("J. K.") end no sentence, nor do these.
_SHORTENED = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|St|vs|etc|al|Fig|No|Inc|Jr|Sr|approx|e\.g|i\.e)\.", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[^\s.]{2})[.!?]+[\"')\]]*(?:\s+(?=[^a-z\s])|$)")
_SHORT_FORM = re.compile(r"\([A-Z][A-Za-z]?[A-Z0-9][A-Z0-9-]{0,6}\)")
_QUOTED = re.compile(r"[\"“][^\"“”]{3,}[\"”]")
_ASKED = re.compile(r"\w[\"')\]]*\?+(?=[\"')\]]*(?:\s|$))")
_QUOTED_SINGLY = re.compile("(?<!\\w)['\u2018][^'\u2019]{2,}['\u2019](?!\\w)|``")
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True)
class Constraint:
    """Something that a document does or does not.

    Attributes:
        kind: One of `KINDS`.
        value: What the kind is about: a term, a number of words, a year; "" where it needs none.
    """

    kind: str
    value: str = ""

    def holds(self, document: Document) -> bool | None:
        """Whether a document satisfies it; None where the visible part and the whole differ, or it is a close call."""
        return KINDS[self.kind](document, self.value)


def _visible(document: Document) -> str:
    """What a model surely sees."""
    return " ".join(whole(document).split()[:VISIBLE_WORDS])


def whole(document: Document) -> str:
    """Title and text, as a model reads them."""
    return f"{document.title} {document.text}".strip()


def _found(test: Callable[[str], bool], document: Document) -> bool | None:
    """True by the visible part, false by the whole."""
    if test(_visible(document)):
        return True
    return None if test(whole(document)) else False


def _mentions(document: Document, value: str) -> bool | None:
    wanted = words(value)
    stem = wanted[0] if len(wanted) == 1 else ""
    if not stem:
        return None
    if stem in words(_visible(document)):
        return True
    # A plural or a compound is neither a clear yes nor a clear no.
    return None if any(stem[:-1] in word for word in words(whole(document))) else False


def _shorter(document: Document, value: str) -> bool | None:
    count, limit = len(whole(document).split()), int(value)
    if limit / _MARGIN < count < limit * _MARGIN:
        return None
    return count < limit


def _after(document: Document, value: str) -> bool | None:
    seen = [int(year) for year in _YEAR.findall(_visible(document))]
    every = [int(year) for year in _YEAR.findall(whole(document))]
    if not every:
        return None
    if any(year > int(value) for year in seen):
        return True
    return None if any(year > int(value) for year in every) else False


def _quotes(document: Document, _: str) -> bool | None:
    found = _found(lambda text: _QUOTED.search(text) is not None, document)
    # Single quotes may be quotation marks or apostrophes.
    return None if found is False and _QUOTED_SINGLY.search(whole(document)) else found


def _asks(document: Document, _: str) -> bool | None:
    found = _found(lambda text: _ASKED.search(text) is not None, document)
    # The question mark of an address or a pattern asks nothing.
    return None if found is False and "?" in whole(document) else found


def _one_sentence(document: Document, _: str) -> bool | None:
    text = _SHORTENED.sub("", document.text.strip())
    count = len(_SENTENCE.findall(text)) + (_SENTENCE.search(text[-4:]) is None)
    if count <= 1:
        return len(document.text.split()) <= VISIBLE_WORDS or None
    return None if count == 2 else False


KINDS: Mapping[str, Callable[[Document, str], bool | None]] = MappingProxyType(
    {
        "mentions": _mentions,
        "number": lambda document, _: _found(lambda text: any(char.isdigit() for char in text), document),
        "year": lambda document, _: _found(lambda text: _YEAR.search(text) is not None, document),
        "list": lambda document, _: _found(lambda text: len(_LIST_ITEM.findall(text)) > 1, document),
        "question": _asks,
        "quotation": _quotes,
        "abbreviation": lambda document, _: _found(lambda text: _SHORT_FORM.search(text) is not None, document),
        "shorter": _shorter,
        "one sentence": _one_sentence,
        "after": _after,
    }
)


class Topic(NamedTuple):
    """Documents on one subject.

    Attributes:
        name: Unique in its set.
        query: Asks for all of them.
        documents: On topic, of different texts.
        base: Whether the set's instructions apply to all of them.
    """

    name: str
    query: str
    documents: Sequence[Document]
    base: bool


def constraint_groups(sampled: SampledSet, base: Sequence[str], limit: int, seed: int) -> Iterator[Example]:
    """Groups of two rows: documents on one topic that satisfy a constraint, and those that violate it.

    Args:
        sampled: The set.
        base: Its own instructions, which some wordings are joined to.
        limit: Topics, at most.
        seed: Chooses.
    """
    if sampled.asks_by_facet:
        return
    chance = random.Random(f"{seed}:constraint:{sampled.name}")  # noqa: S311 (a sample, no secret)
    found = [*_answered(sampled), *_titled(sampled)]
    code = _CODE_UNIT.search(sampled.card.unit) is not None
    frequency = Counter(word for document in sampled.documents for word in set(words(_visible(document))))
    for topic in some(found, limit, chance):
        for constraint in _constraints(topic, frequency, len(sampled.documents), chance, code=code):
            yield from constraint_rows(sampled.name, topic, constraint, base if topic.base else (), chance)


def constraint_rows(
    dataset: str, topic: Topic, constraint: Constraint, base: Sequence[str], chance: random.Random
) -> list[Example]:
    """The two rows of one constraint."""
    sides: dict[bool, list[Document]] = {True: [], False: []}
    for document in topic.documents:
        holds = constraint.holds(document)
        if holds is not None:
            sides[holds].append(document)
    members = [
        Member(
            "yes" if wanted else "no",
            constraint_wordings(constraint.kind, constraint.value, chance, wanted=wanted, base=base),
            documents,
        )
        for wanted, documents in sides.items()
    ]
    name = f"{dataset}:{topic.name}:{constraint.kind}:{constraint.value}"
    return group_rows(constraint.kind, dataset, name, topic.query, members)


def _answered(sampled: SampledSet) -> list[Topic]:
    """Queries with several right documents."""
    return [
        Topic(query.id, query.text, documents, base=True)
        for query in sampled.queries
        if len(documents := _different([sampled.documents[row] for row in query.positives])) >= _FEWEST
    ]


def _titled(sampled: SampledSet) -> list[Topic]:
    """Documents of one page, illness, tool or place."""
    by_name: dict[str, list[Document]] = {}
    for document in sampled.documents:
        name = next(
            (str(document.metadata[key]) for key in _TOPIC_FIELDS if document.metadata.get(key)), document.title
        )
        if name:
            by_name.setdefault(name, []).append(document)
    return [
        Topic(f"topic:{name}", name, documents, base=False)
        for name, each in by_name.items()
        if len(documents := _different(each)) >= _FEWEST
    ]


def _different(documents: Sequence[Document]) -> list[Document]:
    """Documents of different texts, not too many."""
    return list({document.text: document for document in documents}.values())[:_MOST]


def _constraints(
    topic: Topic, frequency: Counter[str], documents: int, chance: random.Random, *, code: bool = False
) -> list[Constraint]:
    """Constraints that divide a topic's documents, at most `_PER_TOPIC`, one of a kind."""
    chosen: list[Constraint] = []
    kinds = list(KINDS)
    chance.shuffle(kinds)
    # Terms divide nearly every topic and teach the most: first in half of the cases.
    if chance.random() < 0.5:
        kinds = ["mentions", *(kind for kind in kinds if kind != "mentions")]
    for kind in kinds:
        if code and kind not in _CODE_KINDS:
            continue
        constraint = Constraint(kind, _value(kind, topic, frequency, documents, chance))
        if kind in _VALUED and not constraint.value:
            continue
        if {True, False} <= {constraint.holds(document) for document in topic.documents}:
            chosen.append(constraint)
        if len(chosen) == _PER_TOPIC:
            break
    return chosen


# What a regular expression or a table holds is no question and no quotation.
_CODE_KINDS = ("mentions", "shorter", "number")
_CODE_UNIT = re.compile(r"\b(code|command|function|method|manual|program|table)\b")
_VALUED = ("mentions", "shorter", "after")


def _value(kind: str, topic: Topic, frequency: Counter[str], documents: int, chance: random.Random) -> str:
    """A value that is likely to divide the documents; "" where there is none."""
    if kind == "mentions":
        return _term(topic, frequency, documents, chance)
    if kind == "shorter":
        counts = sorted(len(whole(document).split()) for document in topic.documents)
        gaps = [(after / max(before, 1), before, after) for before, after in pairwise(counts)]
        ratio, before, after = max(gaps)
        limit = _round((before * after) ** 0.5)
        return str(limit) if ratio > _MARGIN**2 and 5 <= limit <= 150 else ""
    if kind == "after":
        latest = sorted({max(map(int, found)) for d in topic.documents if (found := _YEAR.findall(_visible(d)))})
        return str(chance.choice(latest[:-1])) if len(latest) > 1 else ""
    return ""


def _round(count: float) -> int:
    """A number that a person would name."""
    step = 5 if count < 40 else 10
    return max(step, round(count / step) * step)


def _term(topic: Topic, frequency: Counter[str], documents: int, chance: random.Random) -> str:
    """A telling word of one document that most of the others lack, as it is written there."""
    document = chance.choice(topic.documents)
    asked = set(words(topic.query))
    common = max(3, documents * _COMMON)
    found = {surface.casefold(): surface for surface in reversed(_WORD.findall(_visible(document)))}
    rare = sorted(
        (word for word in found if word not in asked and words(word) == [word] and 1 < frequency[word] <= common),
        key=lambda word: (frequency[word], word),
    )
    return found[chance.choice(rare[:6])] if rare else ""
