"""Contrast groups by facet: one topic, several aspects, sections or platforms."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from tart.documents import Document
from tart.normal import normalised, words
from tart_train.examples import Example, Negative
from tart_train.groups import Member, group_rows, some
from tart_train.instruction_table import InstructionTable
from tart_train.negatives import EmbeddedSet, nearest
from tart_train.sampled import SampledQuery
from tart_train.wordings import PLATFORM_SHAPES, PLATFORMS, SECTION_SHAPES, filled, worded

_WORDINGS = 10
_SHORTEST = 60  # Characters of a section's paragraph that says something.
_LONGEST_HEADING = 60
_GROUPS_PER_PAGE = 6
_HARD = 2


def facet_groups(one: EmbeddedSet, limit: int, seed: int) -> Iterator[Example]:
    """Groups of a set whose queries share a text and differ in the facet (medquad_facets).

    Each row also has hard negatives: the wanted aspect of a neighbouring topic, so that the topic counts as well.
    """
    sampled = one.sampled
    field = sampled.card.facet_field
    if not field or not sampled.asks_by_facet:
        return
    chance = random.Random(f"{seed}:facet:{sampled.name}")  # noqa: S311 (a sample, no secret)
    by_text: dict[str, list[int]] = defaultdict(list)
    for number, query in enumerate(sampled.queries):
        by_text[query.text].append(number)
    groups = [numbers for numbers in by_text.values() if len(numbers) > 1]
    facets = np.array([str(document.metadata.get(field)) for document in sampled.documents])
    for numbers in some(groups, limit, chance):
        text = sampled.queries[numbers[0]].text
        scores = one.documents @ one.queries[numbers[0]]
        taken = {sampled.texts[row] for number in numbers for row in sampled.queries[number].positives}
        members = []
        for number in numbers:
            query = sampled.queries[number]
            value = str(query.metadata.get(field))
            others = _neighbours(one, np.where(facets == value, scores, -np.inf), query, taken)
            wordings = _facet_wordings(one, value, chance)
            members.append(Member(normalised(value), wordings, _documents(one, query.positives), others))
        yield from group_rows("facet", sampled.name, f"{sampled.name}:{sampled.queries[numbers[0]].id}", text, members)


def _neighbours(one: EmbeddedSet, scores: np.ndarray, query: SampledQuery, taken: set[bytes]) -> list[Negative]:
    """The wanted aspect of other topics, not as near as the best positive."""
    sampled = one.sampled
    best = float(scores[list(query.positives)].max())
    rows = nearest(np.where(scores > 0.95 * best, -np.inf, scores), _HARD + 4) if np.isfinite(best) else []
    topic = sampled.documents[query.positives[0]].metadata.get("focus")
    kept = [
        row
        for row in rows
        if sampled.texts[row] not in taken and (topic is None or sampled.documents[row].metadata.get("focus") != topic)
    ]
    return [Negative(sampled.documents[row].id, "hard", float(scores[row])) for row in kept[:_HARD]]


def _facet_wordings(one: EmbeddedSet, value: str, chance: random.Random) -> tuple[str, ...]:
    """The set's wordings with the facet's phrases; templates where it has none."""
    table = InstructionTable.packaged()
    name = one.sampled.name
    if name in table or one.sampled.card.instructions:
        own = table.for_card(one.sampled.card)
        if value in own.facets:
            found = list(own.wordings("train", value))
            return tuple(chance.sample(found, min(_WORDINGS, len(found))))
    return worded((value, f"something about {value}", f"the aspect {value}"), chance, _WORDINGS)


def section_groups(one: EmbeddedSet, limit: int, seed: int) -> Iterator[Example]:
    """Groups of 2 to 4 sections of one page; the query is the page's title (wiki_section).

    Thousands of different headings, so that what is learnt is reading the instruction.
    """
    sampled = one.sampled
    pages: dict[str, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
    for document in sampled.documents:
        page, section = document.metadata.get("page"), document.metadata.get("section")
        if isinstance(page, str) and isinstance(section, str) and _tells(section) and len(document.text) >= _SHORTEST:
            pages[page][section].append(document)
    chance = random.Random(f"{seed}:section:{sampled.name}")  # noqa: S311 (a sample, no secret)
    groups = []
    for page, sections in pages.items():
        names = list(sections)
        chance.shuffle(names)
        for number, chunk in enumerate(_chunks(names, chance)[:_GROUPS_PER_PAGE]):
            groups.append((page, number, {name: sections[name] for name in chunk}))
    for page, number, chosen in some(groups, limit, chance):
        members = [
            Member(str(place), worded(filled(SECTION_SHAPES, [name]), chance, _WORDINGS), documents)
            for place, (name, documents) in enumerate(chosen.items())
        ]
        yield from group_rows("section", sampled.name, f"{sampled.name}:{page}:{number}", page, members)


def _tells(section: str) -> bool:
    """Whether a heading says what its text is about."""
    found = words(section)
    return len(section) <= _LONGEST_HEADING and any(not word.isdigit() for word in found)


def _chunks(names: Sequence[str], chance: random.Random) -> list[list[str]]:
    """Groups of 2 to 4 headings, none of whose words are all in another's of its group."""
    chunks: list[list[str]] = []
    size = 0
    for name in names:
        if not chunks or len(chunks[-1]) >= size:
            chunks.append([])
            size = chance.randint(2, 4)
        own = set(words(name))
        if all(not (own <= set(words(other)) or own >= set(words(other))) for other in chunks[-1]):
            chunks[-1].append(name)
    return [chunk for chunk in chunks if len(chunk) > 1]


def platform_groups(one: EmbeddedSet, limit: int, seed: int) -> Iterator[Example]:
    """Groups of pages of one tool for different platforms (tldr_page)."""
    sampled = one.sampled
    tools: dict[str, dict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
    for document in sampled.documents:
        platform = document.metadata.get("platform")
        if document.title and platform in PLATFORMS:
            tools[document.title][str(platform)].append(document)
    chance = random.Random(f"{seed}:platform:{sampled.name}")  # noqa: S311 (a sample, no secret)
    groups = [(tool, pages) for tool, pages in tools.items() if len(pages) > 1]
    for tool, pages in some(groups, limit, chance):
        members = [
            Member(name, worded(filled(PLATFORM_SHAPES, PLATFORMS[name]), chance, _WORDINGS), documents)
            for name, documents in pages.items()
        ]
        yield from group_rows("platform", sampled.name, f"{sampled.name}:{tool}", tool, members)


def _documents(one: EmbeddedSet, rows: Sequence[int]) -> list[Document]:
    return [one.sampled.documents[row] for row in rows]
