"""Contrast groups by unit: one topic, answered by documents of different kinds.

Where a set's other queries are themselves an answer ("another question about the same trial"), they become documents.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from tart.documents import Document
from tart.normal import words
from tart_train.examples import Example
from tart_train.groups import Member, group_rows, some
from tart_train.hold_out import UNIT_SETS
from tart_train.negatives import EmbeddedSet
from tart_train.sampled import SampledQuery
from tart_train.shelf import Shelf
from tart_train.wordings import UNITS, worded

_WORDINGS = 10
_SIBLINGS = 3
_SALIENT_WORDS = 6
_SAME_HOW_TO = 0.75
"""Cosine from which two how-to titles of different languages ask for the same; read off a sample of pairs."""


class Pair(NamedTuple):
    """What a set's queries are as documents, and what its documents are; keys of `UNITS`."""

    query: str
    document: str


# Several queries share a document: another query, or the document.
SIBLINGS: Mapping[str, Pair] = MappingProxyType(
    {
        "conala_train": Pair("how-to question", "python code"),
        "evinf_ico": Pair("trial question", "trial abstract"),
        "metatool": Pair("user request", "tool description"),
        "nl2bash": Pair("command description", "shell command"),
        "wtq_table": Pair("table question", "table"),
    }
)
# The query itself, or its document; what is asked with is made of their words.
SELVES: Mapping[str, Pair] = MappingProxyType(
    {
        "docstring_oss": Pair("docstring", "function"),
        "gsm8k_train": Pair("word problem", "worked solution"),
        "medquad": Pair("health question", "health answer"),
        "scitldr_tldr2abs": Pair("one-sentence summary", "abstract"),
    }
)
LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "codenn_csharp": "csharp code",
        "codenn_python": "python code",
        "codenn_sql": "sql code",
        "conala_train": "python code",
        "nl2bash": "shell command",
    }
)
_LANGUAGE_NAMES = re.compile(
    r"\b(?:(?:in|with|using|from|for|by|via)\s+)?"
    r"(?:c#|c\s?sharp|\.net|asp\.net|python\s*[23]?(?:\.\d)?|pandas|django|numpy|(?:ms|my|postgre|pl/?)?sql(?:\s*server)?|"
    r"t-sql|oracle|bash|shell|unix|linux)(?![\w#])",
    re.IGNORECASE,
)
_DEFINED = re.compile(r"\bdef\s+(\w+)")
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_+")


class UnitGroups:
    """Makes the groups of all sets.

    Args:
        sets: All sets of the mixture; those in `UNIT_SETS` are left out.
        shelf: Takes the queries that become documents.
        limit: Groups of one kind of one set, at most.
        seed: Chooses.
    """

    def __init__(self, sets: Sequence[EmbeddedSet], shelf: Shelf, limit: int, seed: int) -> None:
        self._sets = {one.sampled.name: one for one in sets if one.sampled.name not in UNIT_SETS}
        self._shelf = shelf
        self._limit = limit
        self._seed = seed

    def rows(self) -> Iterator[Example]:
        """All groups."""
        for name, pair in SIBLINGS.items():
            if name in self._sets:
                yield from self._siblings(self._sets[name], pair)
        for name, pair in SELVES.items():
            if name in self._sets:
                yield from self._selves(self._sets[name], pair)
        for name in LANGUAGES:
            if name in self._sets:
                yield from self._languages(self._sets[name])
        if {"tldr_page", "tldr_example"} <= set(self._sets):
            yield from self._tools(self._sets["tldr_page"], self._sets["tldr_example"])
        if {"wtq_table", "wiki_section"} <= set(self._sets):
            yield from self._tables(self._sets["wtq_table"], self._sets["wiki_section"])

    def _chance(self, kind: str, name: str) -> random.Random:
        return random.Random(f"{self._seed}:{kind}:{name}")  # noqa: S311 (a sample, no secret)

    def _question(self, one: EmbeddedSet, query: SampledQuery) -> Document:
        """A query as a document."""
        document = Document(f"query:{one.sampled.name}:{query.id}", query.text)
        self._shelf.put([document], one.sampled.name)
        return document

    def _siblings(self, one: EmbeddedSet, pair: Pair) -> Iterator[Example]:
        """Another query with the same answer, or the answer."""
        sampled, chance = one.sampled, self._chance("sibling", one.sampled.name)
        askers: dict[int, list[int]] = defaultdict(list)
        for number, query in enumerate(sampled.queries):
            for row in query.positives:
                askers[row].append(number)
        groups = [
            (number, others)
            for number, query in enumerate(sampled.queries)
            if (others := sorted({other for row in query.positives for other in askers[row]} - {number}))
        ]
        for number, others in some(groups, self._limit, chance):
            nearest = np.argsort(-(one.queries[others] @ one.queries[number]), kind="stable")[:_SIBLINGS]
            query = sampled.queries[number]
            asked = [self._question(one, sampled.queries[others[place]]) for place in nearest.tolist()]
            documents = [sampled.documents[row] for row in query.positives]
            yield from self._two(one, query.id, query.text, pair, (asked, documents), chance)

    def _selves(self, one: EmbeddedSet, pair: Pair) -> Iterator[Example]:
        """The query, or its answer, found by words of both."""
        sampled, chance = one.sampled, self._chance("self", one.sampled.name)
        short = _asked_with(one)
        for number in some(range(len(sampled.queries)), self._limit, chance):
            query = sampled.queries[number]
            text = short(query)
            if len(text.split()) > 1:
                documents = [sampled.documents[row] for row in query.positives]
                yield from self._two(one, query.id, text, pair, ([self._question(one, query)], documents), chance)

    def _two(
        self,
        one: EmbeddedSet,
        name: str,
        text: str,
        units: Pair,
        documents: tuple[Sequence[Document], Sequence[Document]],
        chance: random.Random,
    ) -> list[Example]:
        members = [
            Member(unit, worded(UNITS[unit], chance, _WORDINGS, UNITS[other]), found)
            for unit, other, found in zip(units, units[::-1], documents, strict=True)
        ]
        return group_rows("unit", one.sampled.name, f"{one.sampled.name}:{'|'.join(units)}:{name}", text, members)

    def _languages(self, one: EmbeddedSet) -> Iterator[Example]:
        """The same how-to in other languages: sets whose nearest question asks for the same."""
        sampled, chance = one.sampled, self._chance("language", one.sampled.name)
        unit = LANGUAGES[sampled.name]
        found: dict[int, dict[str, tuple[float, list[Document]]]] = defaultdict(dict)
        for name, other_unit in LANGUAGES.items():
            other = self._sets.get(name)
            if other is None or other_unit == unit:
                continue
            for number, (place, score) in enumerate(zip(*_best(one, other), strict=True)):
                if score >= _SAME_HOW_TO and score > found[number].get(other_unit, (0.0, []))[0]:
                    rows = other.sampled.queries[place].positives
                    found[number][other_unit] = (score, [other.sampled.documents[row] for row in rows])
        for number in some([number for number, each in found.items() if each], self._limit, chance):
            query = sampled.queries[number]
            text = " ".join(_LANGUAGE_NAMES.sub(" ", query.text).split())
            if len(words(text)) < 3:
                continue
            own = [sampled.documents[row] for row in query.positives]
            units = {unit: own, **{key: documents for key, (_, documents) in found[number].items()}}
            members = [
                Member(
                    key,
                    worded(UNITS[key], chance, _WORDINGS, [w for each in units if each != key for w in UNITS[each]]),
                    documents,
                )
                for key, documents in units.items()
            ]
            yield from group_rows("language", sampled.name, f"{sampled.name}:{query.id}", text, members)

    def _tools(self, pages: EmbeddedSet, examples: EmbeddedSet) -> Iterator[Example]:
        """A tool's page, or one of its commands."""
        chance = self._chance("tool", "tldr")
        commands: dict[object, list[Document]] = defaultdict(list)
        for document in examples.sampled.documents:
            commands[document.metadata.get("tool")].append(document)
        manuals: dict[str, list[Document]] = defaultdict(list)
        for document in pages.sampled.documents:
            manuals[document.title].append(document)
        pair = Pair("manual page", "shell command")
        for query in some(pages.sampled.queries, self._limit, chance):
            found = [pages.sampled.documents[row] for row in query.positives]
            lines = [line for page in found for line in commands.get(page.title, ())]
            yield from self._two(pages, query.id, query.text, pair, (found, lines), chance)
        for query in some(examples.sampled.queries, self._limit, chance):
            found = [examples.sampled.documents[row] for row in query.positives]
            tools = {str(document.metadata.get("tool")) for document in found}
            shown = [page for tool in sorted(tools) for page in manuals.get(tool, ())]
            yield from self._two(examples, query.id, query.text, pair, (shown, found), chance)

    def _tables(self, tables: EmbeddedSet, paragraphs: EmbeddedSet) -> Iterator[Example]:
        """A table of a page, or its prose; the query is the page's title."""
        chance = self._chance("table", "wiki")
        prose: dict[object, list[Document]] = defaultdict(list)
        for document in paragraphs.sampled.documents:
            prose[document.metadata.get("page")].append(document)
        found: dict[str, list[Document]] = defaultdict(list)
        for document in tables.sampled.documents:
            if document.title in prose:
                found[document.title].append(document)
        for title in some(sorted(found), self._limit, chance):
            documents = (found[title], prose[title])
            yield from self._two(tables, f"page:{title}", title, Pair("table", "paragraph"), documents, chance)


def _best(one: EmbeddedSet, other: EmbeddedSet) -> tuple[list[int], list[float]]:
    """For each query, the nearest query of another set and its cosine."""
    places: list[int] = []
    scores: list[float] = []
    for start in range(0, len(one.queries), 512):
        block = one.queries[start : start + 512] @ other.queries.T
        best = block.argmax(axis=1)
        places += best.tolist()
        scores += block[np.arange(len(block)), best].tolist()
    return places, scores


def _asked_with(one: EmbeddedSet) -> Callable[[SampledQuery], str]:
    """How a short query is made of a long one."""
    sampled = one.sampled
    if sampled.name == "medquad":
        return lambda query: f"{query.metadata.get('focus', '')} {query.metadata.get('qtype', '')}".strip()
    if sampled.name == "docstring_oss":
        return lambda query: name_words(sampled.documents[query.positives[0]].text)
    frequency = Counter(word for query in sampled.queries for word in set(words(query.text)))
    return lambda query: salient(query.text, frequency)


def name_words(code: str) -> str:
    """The words of the name that a piece of Python defines.

    >>> name_words("def get_argList(a):")
    'get arg list'
    """
    found = _DEFINED.search(code)
    return "" if found is None else " ".join(_WORD_STARTS.sub(" ", found[1]).casefold().split())


def salient(text: str, frequency: Mapping[str, int], count: int = _SALIENT_WORDS) -> str:
    """The rarest words of a text, in its order; numbers and very short words are left out."""
    unique = [word for word in dict.fromkeys(words(text)) if len(word) > 2 and word.isalpha()]
    kept = set(sorted(unique, key=lambda word: (frequency.get(word, 0), word))[:count])
    return " ".join(word for word in unique if word in kept)
